"""Whether everyone gets their own answers, on every transport."""

from harness import client, transports
from harness.anchors import FastMCP, MCPProxy, installed
from harness.client import CHECKING_CALLS, CHECKING_CLIENTS
from harness.gateway import Gateway
from harness.scenario import Column, Scenario

WAYS = {
    "HTTP/1.1": transports.Http1,
    "REST shim": transports.Shim,
    "HTTP+SSE of 2024-11-05": transports.TwoEndpoints,
    "HTTP/2": transports.Http2,
}


class Answers(Scenario):
    name = "answers"
    title = "Right answers"
    about = (
        f"{CHECKING_CLIENTS} clients call at the same time and all use the same JSON-RPC ids, each with texts of its own. "
        "Counted is every answer with another's text, a wrong id, a wrong status, or none. Each other scenario makes "
        "the same check of its own targets before and after, and reports none that fails it."
    )
    columns = (Column("answers", "answers", 0), Column("wrong", "wrong", 0))
    rounds_max = 1

    def targets(self):
        isolation = self.options.isolation
        ours = [
            Gateway("gateway", "legacy requests, two sandboxes", sandboxes=2, isolation=isolation),
            Gateway("gateway_modern", "modern requests, two sandboxes", sandboxes=2, era="modern", isolation=isolation),
            Gateway("gateway_tls", "legacy requests, TLS", sandboxes=2, tls=True, isolation=isolation),
        ]
        peers, missing = installed(MCPProxy("gateway", sessions=16), FastMCP("gateway", sessions=16))
        return ours + peers, missing

    def points(self):
        return list(WAYS)

    def check(self, target):
        return []

    def measures(self, target, point):
        if point == "HTTP/1.1":
            return True
        if not isinstance(target, Gateway):
            return False
        if point == "HTTP/2":
            return self.offers(transports.speaks_http2(target.port, target.certificate), point)
        if target.certificate or target.era == "modern":
            return False
        return self.offers(point != "HTTP+SSE of 2024-11-05" or transports.has_two_endpoints(target.endpoints[0]),
                           point)  # fmt: skip

    def offers(self, is_there, point):
        note = f"This gateway does not serve {point}."
        if not is_there and note not in self.notes:
            self.notes.append(note)
        return is_there

    def measure(self, target, point):
        wrong = client.mistakes(target.endpoints, WAYS[point])
        count = CHECKING_CLIENTS * CHECKING_CALLS
        return {"answers": count, "wrong": len(wrong), "bad": len(wrong), "first_wrong": "".join(wrong[:1])}
