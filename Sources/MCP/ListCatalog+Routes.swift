import Wire

/// From what a request names to the server that has it. Nothing here allocates.
extension ListCatalog {
    /// Where a request goes.
    public struct Route {
        /// Index into the servers that the catalog was built from.
        public var server: Int
        /// What `RequestRewriter` is to put in place of the client's name. May point into the catalog: whoever
        /// uses it holds the catalog in a property or with `withExtendedLifetime` meanwhile.
        public var target: SouthTarget

        public init(server: Int, target: SouthTarget) {
            self.server = server
            self.target = target
        }
    }

    /// The route of a tool, by its exposed name (decoded).
    public func tool(_ name: UnsafeRawBufferPointer) -> Route? { lists.tools.owner(name).map(route) }
    public func prompt(_ name: UnsafeRawBufferPointer) -> Route? { lists.prompts.owner(name).map(route) }
    public func resource(_ uri: UnsafeRawBufferPointer) -> Route? { lists.resource(uri).map(route) }

    /// The route of what a request names: tools/call, prompts/get, resources/read and (un)subscribe,
    /// completion/complete. Nil when nobody has it.
    ///
    /// - Parameter name: the raw JSON string at `RequestRewriter.targetRange`.
    public func route(
        _ method: MethodName, _ envelope: Envelope, _ body: UnsafeRawBufferPointer,
        name: UnsafeRawBufferPointer
    ) -> Route? {
        withUnsafePointer(to: envelope) { route(method, $0, body, name: name) }
    }

    public func route(
        _ method: MethodName, _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer,
        name: UnsafeRawBufferPointer
    ) -> Route? {
        guard let text = name.insideQuotes else { return nil }
        let owner = withDecodedText(text, limit: MCPLimits.resourceURIBytesMax * 2) { name -> Owner? in
            switch method {
            case .toolsCall: lists.tools.owner(name)
            case .promptsGet: lists.prompts.owner(name)
            case .complete: completion(envelope.pointee, name, body)
            case .resourcesRead, .subscribe, .unsubscribe: lists.resource(name)
            default: nil
            }
        }
        guard let owner = owner ?? nil else { return nil }
        // The prefix is cut from the client's own text, which must therefore begin with it literally.
        if case .prefixed = owner.form, !text.hasPrefix("mcpgw+") { return nil }
        return route(owner)
    }

    /// A reference names a prompt, or a resource by its template text.
    private func completion(
        _ envelope: Envelope, _ name: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer
    ) -> Owner? {
        guard CompletionReference(envelope, body)?.kind == .resource else { return lists.prompts.owner(name) }
        return lists.templates.owner(name) ?? lists.resource(name)
    }

    private func route(_ owner: Owner) -> Route {
        let target: SouthTarget =
            switch owner.form {
            case .same: .unchanged
            case .renamed(let kind, let range): .renamed(range.of(lists.originals(kind).bytes))
            case .prefixed(let bytes): .withoutPrefix(bytes: bytes)
            }
        return Route(server: owner.server, target: target)
    }
}
