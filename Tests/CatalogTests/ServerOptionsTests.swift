import Testing
import Wire

@testable import Catalog

@Test("options of a server reach its plan, wherever $gateway stands")
func serverOptionsReachThePlan() throws {
    for json in [
        #"{"$gateway":{"servers":{"a":{"era":"mirror","interactive":"always"}}},"a":{"command":["x"]}}"#,
        #"{"a":{"command":["x"]},"$gateway":{"servers":{"a":{"era":"mirror","interactive":"always"}}}}"#,
    ] {
        #expect(try plans(json).map(\.options) == [ServerOptions(era: .mirror, interactive: .always)])
    }
    #expect(try plans(#"{"a":{"command":["x"]}}"#).map(\.options) == [ServerOptions()])
}

@Test("another era is another launch")
func serverOptionsAreOfTheLaunch() throws {
    let one = try plan(#"{"a":{"command":["x"]}}"#)
    let other = try plan(#"{"a":{"command":["x"]},"$gateway":{"servers":{"a":{"era":"legacy"}}}}"#)
    #expect(!one.isSameLaunch(as: other))
}

@Test(
    "mistakes in a server's options are named",
    arguments: [
        (#"{"a":{"era":"new"}}"#, "servers.a.era"), (#"{"a":{"era":1}}"#, "servers.a.era"),
        (#"{"a":{"interactive":"yes"}}"#, "servers.a.interactive"),
        (#"{"a":{"errant":1}}"#, "servers.a.errant"),
        (#"{"a":[]}"#, "servers.a"), (#"{"b":{}}"#, "servers.b"), ("1", "servers"),
    ])
func serverOptionsMistakes(_ options: String, _ property: String) throws {
    let json = #"{"a":{"command":["x"]},"$gateway":{"servers":"# + options + "}}"
    let told = try mistakes(json)
    #expect(told.count == 1)
    #expect(told.first?.contains(property + ":") == true, "\(told)")
}
