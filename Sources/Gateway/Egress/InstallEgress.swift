import CEpollShim
import Catalog
import Sandbox
import System
import Telemetry

/// The way out of code that runs while a package is installed, where sandboxes may not reach all that the host
/// reaches: public hosts by an HTTP proxy, and what the operator's environment names, such as an index of packages.
extension LoopState {
    func openForInstalls() {
        guard shared.workshop.guardsInstalls else { return }
        let egress = SandboxEgress(
            sandbox: "install", network: .proxy, named: CommonVariables.hosts(of: Workshop.installVariables),
            trustsNamed: true, state: self)
        installs = egress
        let missing = egress.adopt([], GatewayOptions())
        let places = Array(missing.keys)
        let (shared, index) = (shared, loop.index)
        shared.workshop.openForInstalls(places, hosts: egress.hosts, proxy: LaunchContext.proxy) { result in
            shared.post(index) { state in
                guard case .success(let listeners) = result else { return }
                for (place, listener) in zip(places, listeners) {
                    switch listener {
                    case .success(let descriptor):
                        guard let egress = state.installs else {
                            ce_close(descriptor)
                            continue
                        }
                        egress.open(place, missing[place] ?? nil, descriptor)
                    case .failure(let error):
                        Log.error("a listener for installations is missing", ["reason": "\(error)"])
                    }
                }
            }
        }
    }
}
