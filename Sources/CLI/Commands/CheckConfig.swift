import ArgumentParser

/// `check-config FILE`: every mistake of a configuration file, with line and key.
struct CheckConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Check a configuration file; name file, line and key of each mistake.",
        discussion: """
            The file is YAML. Its keys are the flags of serve without the dashes, and a few more:

              listen: [127.0.0.1:8080]
              admin-listen: 127.0.0.1:9090
              public-url: https://mcp.example.com
              api-key-file: /etc/mcp-gateway/keys
              tls:
                - {cert: /etc/ssl/mcp.pem, key: /etc/ssl/mcp.key}
              catalogs: [/etc/mcp-gateway/our-servers.json]
              allowed-origins: [https://app.example.com]
              allowed-hosts: [mcp.example.com]
              allow-custom-servers: false
              server-memory: 2GiB..8GiB
              server-idle: 600..3600
              keep-warm: [playwright]
              network: listed..proxy
              egress-hosts: [api.example.com:443]
              allow-private-egress: [db.internal:5432]
              limits: {call-seconds: 300, sandboxes: 4000}

            Relative paths in it start from the folder of the file. To check one:

              mcp-gateway check-config /etc/mcp-gateway/config.yaml
            """)

    @Argument(help: .init("The YAML file.", valueName: "file"))
    var file: String

    func run() throws {
        let settings = try SettingSources.file(file)
        let catalog = try SettingSources.catalog(settings.catalogs ?? [])
        _ = try SettingSources.keys(settings.keepWarm ?? [], in: catalog)
        if let keys = settings.apiKeyFile { _ = try OperatorKeys.read(file: keys) }
        _ = try SettingSources.certificates(settings)
        print("\(file): no mistakes")
    }
}
