import System
import Testing
import Wire

@testable import Catalog

private func seconds(_ options: String, _ policy: PlanPolicy = policy) throws -> [Int] {
    try plans(
        #"{"a":{"command":["x"]},"time":{},"$gateway":\#(options)}"#, policy: policy
    ).map(\.idleSeconds)
}

private func refused(_ options: String, _ idle: IdlePolicy) throws -> [String] {
    var bounded = policy
    bounded.idle = idle
    return try mistakes(#"{"a":{"command":["x"]},"$gateway":\#(options)}"#, policy: bounded)
}

@Test("the nearest word on a server's rest counts: its own, its sandbox's, the operator's of its key, of all")
func nearestWord() throws {
    var warm = policy
    warm.idle = IdlePolicy(100, upTo: 0)
    warm.keepWarm = ["time"]
    #expect(try seconds("{}", policy) == [1800, 1800])
    #expect(try seconds("{}", warm) == [100, 0])
    #expect(try seconds(#"{"idleSeconds":7}"#, warm) == [7, 7])
    #expect(try seconds(#"{"keepWarm":true,"servers":{"a":{"idleSeconds":5}}}"#, warm) == [5, 0])
    #expect(try seconds(#"{"idleSeconds":7,"servers":{"a":{"keepWarm":true}}}"#, warm) == [0, 7])
    #expect(try seconds(#"{"keepWarm":false}"#, warm) == [100, 0])
}

@Test("when a server may rest does not change its launch")
func restIsNoLaunch() throws {
    let one = try plan(#"{"a":{"command":["x"]},"$gateway":{"keepWarm":true}}"#)
    let other = try plan(#"{"a":{"command":["x"]}}"#)
    #expect(one.isSameLaunch(as: other))
}

@Test(
    "no longer than the operator says",
    arguments: [
        (#"{"idleSeconds":61}"#, "$gateway.idleSeconds: must be a whole number of seconds from 1 to 60"),
        (#"{"idleSeconds":0}"#, "$gateway.idleSeconds: must be a whole number of seconds from 1 to 60"),
        (#"{"idleSeconds":"1"}"#, "$gateway.idleSeconds: must be a whole number of seconds from 1 to 60"),
        (
            #"{"keepWarm":true}"#,
            "$gateway.keepWarm: this gateway's operator stops every server that was idle for 60 s"
        ),
        (#"{"keepWarm":1}"#, "$gateway.keepWarm: must be true or false"),
        (
            #"{"servers":{"a":{"keepWarm":true}}}"#,
            "$gateway.servers.a.keepWarm: this gateway's operator stops every server that was idle for 60 s"
        ),
        (
            #"{"servers":{"a":{"idleSeconds":9,"keepWarm":true}}}"#,
            "$gateway.servers.a.keepWarm: idleSeconds and keepWarm exclude each other"
        ),
        (#"{"idleSecond":9}"#, #"$gateway.idleSecond: unknown option; did you mean "idleSeconds"?"#),
    ])
func refusedRest(_ options: String, _ words: String) throws {
    #expect(try refused(options, IdlePolicy(30, upTo: 60)) == [words])
}

@Test("where the operator never stops a server, a sandbox may still say when")
func neverAndYet() throws {
    var never = policy
    never.idle = IdlePolicy(0)
    #expect(try seconds("{}", never) == [0, 0])
    #expect(try seconds(#"{"idleSeconds":2678400}"#, never) == [2_678_400, 2_678_400])
}
