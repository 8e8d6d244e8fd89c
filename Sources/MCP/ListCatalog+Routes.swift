import Wire

/// From what a request names to the server that has it. Nothing here allocates for names without escapes.
extension ListCatalog {
    /// The route of a tool, by its exposed name (decoded).
    public func tool(_ name: UnsafeRawBufferPointer) -> Route? { lists.tools.route(name) }
    public func prompt(_ name: UnsafeRawBufferPointer) -> Route? { lists.prompts.route(name) }
    public func resource(_ uri: UnsafeRawBufferPointer) -> Route? { lists.resource(uri) }

    /// The route of what a request names: tools/call, prompts/get, resources/read and (un)subscribe,
    /// completion/complete. Nil when nobody has it.
    public func route(_ envelope: Envelope, _ method: MethodName, _ body: UnsafeRawBufferPointer) -> Route? {
        guard let range = RequestRewriter.targetRange(envelope, method, body),
            let text = range.of(body).insideQuotes
        else { return nil }
        let limit = max(MCPLimits.originalNameBytesMax, MCPLimits.resourceURIBytesMax) * 2
        let found: Route?? = withDecodedText(text, limit: limit) { name -> Route? in
            switch method {
            case .toolsCall: tool(name)
            case .promptsGet: prompt(name)
            case .complete: completion(envelope, name, body)
            default: resource(name)
            }
        }
        guard let route = found ?? nil else { return nil }
        // The prefix is cut from the client's own text, which must therefore begin with it literally.
        if case .prefixed = route.form, !text.hasPrefix("mcpgw+") { return nil }
        return route
    }

    /// A reference names a prompt, or a resource by its template text.
    private func completion(
        _ envelope: Envelope, _ name: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer
    ) -> Route? {
        guard CompletionReference(envelope, body)?.kind == .resource else { return prompt(name) }
        return lists.templates.route(name) ?? resource(name)
    }

    /// What `RequestRewriter` is to put in place of the client's name. Points into the catalog: whoever uses it
    /// holds the catalog in a property or with `withExtendedLifetime` meanwhile.
    public func target(_ route: Route) -> SouthTarget {
        switch route.form {
        case .same: .unchanged
        case .renamed(let kind, let range): .renamed(range.of(lists[kind].originals.bytes))
        case .prefixed(let bytes): .withoutPrefix(bytes: bytes)
        }
    }

    /// The raw JSON string under which the server knows a resource that clients see under another URI; nil
    /// for all others. For `ResponseRewriter.Call.mappedURI`; holds as long as `target` does.
    public func originalURI(_ route: Route) -> UnsafeRawBufferPointer? {
        guard case .renamed(.resources, let range) = route.form else { return nil }
        return range.of(lists.resources.originals.bytes)
    }
}
