import Testing

@testable import MCP

private func refusal(_ text: String) throws -> AddressGuard.Reason? {
    AddressGuard.refusal(try #require(IPAddress(text)))
}

@Test(
    "addresses that are not public are refused, in whatever dress",
    arguments: [
        ("0.0.0.0", AddressGuard.Reason.unspecified), ("0.1.2.3", .unspecified),
        ("10.0.0.1", .privateNetwork),
        ("10.255.255.255", .privateNetwork), ("100.64.0.1", .shared), ("100.127.255.255", .shared),
        ("127.0.0.1", .loopback), ("127.255.255.254", .loopback), ("169.254.1.1", .linkLocal),
        ("169.254.169.254", .metadata), ("169.254.170.2", .metadata), ("100.100.100.200", .metadata),
        ("168.63.129.16", .metadata), ("172.16.0.1", .privateNetwork), ("172.31.255.255", .privateNetwork),
        ("192.0.0.1", .reserved), ("192.0.2.1", .reserved), ("192.88.99.1", .reserved),
        ("192.168.1.1", .privateNetwork), ("198.18.0.1", .privateNetwork),
        ("198.19.255.255", .privateNetwork),
        ("198.51.100.1", .reserved), ("203.0.113.9", .reserved), ("224.0.0.1", .multicast),
        ("239.255.255.255", .multicast), ("240.0.0.1", .reserved), ("255.255.255.255", .reserved),
        ("::", .unspecified), ("::1", .loopback), ("::ffff:127.0.0.1", .loopback),
        ("::ffff:a9fe:a9fe", .metadata), ("::ffff:10.1.1.1", .privateNetwork), ("::127.0.0.1", .reserved),
        ("64:ff9b::10.0.0.1", .privateNetwork), ("64:ff9b::a9fe:a9fe", .metadata),
        ("64:ff9b:1::1", .reserved),
        ("fc00::1", .privateNetwork), ("fdff::1", .privateNetwork), ("fd00:ec2::254", .metadata),
        ("fe80::1", .linkLocal), ("febf::1", .linkLocal), ("fec0::1", .privateNetwork),
        ("ff02::1", .multicast),
        ("2001::1", .reserved), ("2001:1ff::1", .reserved), ("2001:db8::1", .reserved),
        ("2002:7f00:1::", .reserved), ("3fff::1", .reserved), ("100::1", .reserved), ("4000::1", .reserved),
        ("5f00::1", .reserved),
    ])
func addressRefused(_ text: String, _ reason: AddressGuard.Reason) throws {
    #expect(try refusal(text) == reason)
}

@Test(
    "public addresses pass, also those next to the others",
    arguments: [
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.17", "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2606:4700::1111", "2001:4860::8888", "2001:200::1", "2003::1", "3ffe::1",
    ])
func addressAllowed(_ text: String) throws { #expect(try refusal(text) == nil) }

@Test("what the operator allows by name passes, but for metadata services")
func addressByName() throws {
    let loopback = try #require(IPAddress("127.0.0.1"))
    let metadata = try #require(IPAddress("169.254.169.254"))
    let open = try #require(IPAddress("1.1.1.1"))
    #expect(!AddressGuard.allows(loopback, host: "localhost", port: 80, allowed: []))
    #expect(AddressGuard.allows(loopback, host: "localhost", port: 80, allowed: ["localhost"]))
    #expect(AddressGuard.allows(loopback, host: "localhost", port: 80, allowed: ["localhost:80"]))
    #expect(!AddressGuard.allows(loopback, host: "localhost", port: 81, allowed: ["localhost:80"]))
    #expect(!AddressGuard.allows(loopback, host: "evil.example", port: 80, allowed: ["localhost"]))
    #expect(!AddressGuard.allows(metadata, host: "169.254.169.254", port: 80, allowed: ["169.254.169.254"]))
    #expect(AddressGuard.allows(open, host: "anything", port: 80, allowed: []))
}

@Test(
    "only one text stands for an address",
    arguments: [
        "", "1", "127.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.", "0x7f.0.0.1", "+1.2.3.4",
        " 1.2.3.4",
        ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g", "1:2:3:4:5:6:7:8::",
        "::1.2.3",
        "1.2.3.4::", "::1%eth0", "1:", ":1", "::+1", "1:2:3:4:5:6:7:1.2.3.4",
    ])
func addressText(_ text: String) { #expect(IPAddress(text) == nil) }

@Test("addresses from the kernel are read in network order")
func addressBytes() {
    let four: [UInt8] = [127, 0, 0, 1]
    #expect(four.withUnsafeBytes { IPAddress(networkBytes: $0) } == .v4(0x7F00_0001))
    let six = [UInt8](repeating: 0, count: 15) + [1]
    #expect(six.withUnsafeBytes { IPAddress(networkBytes: $0) } == .v6(0, 1))
    #expect(IPAddress("1:2:3:4:5:6:7::") == .v6(0x0001_0002_0003_0004, 0x0005_0006_0007_0000))
    #expect(IPAddress("::2:3:4:5:6:7:8") == .v6(0x0000_0002_0003_0004, 0x0005_0006_0007_0008))
    #expect(four.prefix(3).map { $0 }.withUnsafeBytes { IPAddress(networkBytes: $0) } == nil)
}
