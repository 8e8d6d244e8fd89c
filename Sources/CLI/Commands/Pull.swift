import ArgumentParser
struct Pull: ParsableCommand { @Argument var keys: [String] }
