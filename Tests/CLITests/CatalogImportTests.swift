import Testing
import Wire

@testable import CLI

@Suite struct CatalogImportTests {
    private func server(_ text: String) throws -> JSONValue {
        let outcome = try CatalogImport.read(Array(text.utf8), file: "file")
        return try #require(outcome.catalog["servers"]?.arrayValue?.first)
    }

    private func property(_ server: JSONValue, _ name: String) -> JSONValue? {
        server["config"]?.arrayValue?.first { $0["name"]?.stringValue == name }
    }

    @Test("an entry of Docker's catalog becomes one of ours") func docker() throws {
        let server = try server(
            """
            version: 3
            registry:
              my-db-mcp-server:
                title: My DB
                description: Queries a database. And more.
                type: server
                image: example/db:1.2
                command: [--transport, stdio, --port, '{{my-db-mcp-server.port}}', '--name={{my-db-mcp-server.user.name}}']
                secrets:
                  - name: my-db-mcp-server.password
                    env: MY-DB-MCP-SERVER_PASSWORD
                env:
                  - name: DB_URL
                    value: 'db://{{my-db-mcp-server.user.name}}@host'
                  - name: PRICE
                    value: 5
                volumes:
                  - '{{my-db-mcp-server.paths|volume|into}}'
                  - cache:/var/cache:ro
                config:
                  - name: my-db-mcp-server
                    type: object
                    properties:
                      port: {type: integer, default: 5432}
                      paths: {type: array, items: {type: string}}
                      user: {type: object, properties: {name: {type: string}}, required: [name]}
                allowHosts: ['db.example.com:443']
                metadata: {category: database, tags: [db, db]}
            """)
        #expect(server["key"] == "my-db")
        #expect(server["aliases"] == ["my-db-mcp-server", "myDb"])
        #expect(server["category"] == "data" && server["tags"] == ["db"])
        #expect(server["summary"] == "Queries a database.")
        let oci = try #require(server["run"]?["oci"])
        #expect(
            oci["args"] == [
                "--transport", "stdio", ["--port", "${config.port}"], "--name=${config.userName}",
            ])
        #expect(oci["env"]?["DB_URL"] == "db://${config.userName}@host" && oci["env"]?["PRICE"] == "5")
        #expect(oci["env"]?["MY-DB-MCP-SERVER_PASSWORD"] == "${config.password}")
        #expect(
            oci["volumes"] == [
                ["kind": "bind", "source": "${config.paths}", "target": "${config.paths}"],
                ["kind": "volume", "source": "cache", "target": "/var/cache", "readOnly": true],
            ])
        #expect(oci["network"] == ["mode": "allowlist", "allowHosts": ["db.example.com:443"]])
        #expect(property(server, "port")?["default"] == 5432)
        #expect(property(server, "userName")?["required"] == true)
        #expect(property(server, "userName")?["aliases"] == ["user.name"])
        #expect(property(server, "password")?["secret"] == true)
        // The parameters say what is required, so secrets are optional.
        #expect(property(server, "password")?["required"] == false)
    }

    @Test("a remote entry keeps its headers' secrets as placeholders") func dockerRemote() throws {
        let server = try server(
            """
            registry:
              notes:
                description: Keeps notes for you.
                type: remote
                remote:
                  transport_type: streamable-http
                  url: https://notes.example.com/mcp
                  headers: {Authorization: 'Bearer ${NOTES_TOKEN}', X-Price: '$5'}
                secrets: [{name: notes.token, env: NOTES_TOKEN}]
            """)
        #expect(server["remote"]?["transport"] == "streamable-http")
        #expect(server["remote"]?["headers"] == ["Authorization": "Bearer ${config.token}", "X-Price": "$5"])
        #expect(property(server, "token")?["required"] == true)
    }

    @Test("a server.json of the registry becomes an entry, in both spellings") func registry() throws {
        let new = try server(
            #"""
            {"name": "org.example/word-counter", "description": "Counts words.", "version": "1.2.3", "packages": [
              {"registryType": "nuget", "identifier": "x", "version": "1"},
              {"registryType": "pypi", "identifier": "word-counter", "version": "1.2.3", "transport": {"type": "stdio"},
               "packageArguments": [{"type": "positional", "value": "serve"},
                 {"type": "named", "name": "--level", "value": "{level}", "variables": {"level": {"choices": ["a", "b"]}}},
                 {"type": "named", "name": "--root", "isRequired": true, "format": "filepath", "isRepeated": true}],
               "environmentVariables": [{"name": "WORD_TOKEN", "isRequired": true, "isSecret": true},
                 {"name": "FIXED", "value": "a ${b}"}]}]}
            """#)
        #expect(new["key"] == "word-counter" && new["aliases"] == ["org.example/word-counter"])
        let pypi = try #require(new["run"]?["pypi"])
        #expect(pypi["package"] == "word-counter" && pypi["version"] == "1.2.3")
        #expect(pypi["args"] == ["serve", ["--level", "${config.level}"], ["--root", "${config.root}"]])
        #expect(pypi["env"] == ["WORD_TOKEN": "${config.wordToken}", "FIXED": "a $${b}"])
        #expect(
            property(new, "wordToken")?["secret"] == true && property(new, "wordToken")?["required"] == true)
        #expect(property(new, "level")?["enum"] == ["a", "b"])
        #expect(property(new, "root")?["type"] == "array" && property(new, "root")?["format"] == "path")

        let old = try server(
            #"""
            {"server": {"name": "io.github.a/b", "description": "Does a thing.", "packages": [
              {"registry_type": "npm", "identifier": "@a/b", "version": "2.0.0",
               "environment_variables": [{"name": "KEY", "is_secret": true}]}]}}
            """#)
        #expect(old["run"]?["npm"]?["package"] == "@a/b")
        #expect(property(old, "key")?["secret"] == true)
    }

    @Test(
        "what is no catalog is refused in words",
        arguments: [
            "{}", "[]", "a: [", "registry: {}", #"{"name": "x", "packages": []}"#, "a: 1\na: 2\n", "",
        ])
    func refused(_ text: String) {
        #expect { try CatalogImport.read(Array(text.utf8), file: "some-file") } throws: {
            "\($0)".contains("some-file")
        }
    }

    @Test("entries that cannot be expressed are left out and told") func leftOut() throws {
        let text = """
            registry:
              tools: {description: Containers., type: poci}
              good: {description: A good server., type: server, image: example/good}
            """
        let outcome = try CatalogImport.read(Array(text.utf8), file: "file")
        #expect(outcome.catalog["servers"]?.arrayValue?.count == 1)
        #expect(outcome.notes.contains { $0.hasPrefix("tools: ") })
    }

    @Test("plain scalars have YAML's core types") func types() throws {
        let node = try YAMLDocument.parse(Array("[1, -2.5, true, ~, '1', 0x1, yes, 1e3]".utf8))
        #expect(
            try node?.json().serialized() == Array(#"[1,-2.5,true,null,"1","0x1","yes",1e3]"#.utf8))
    }
}
