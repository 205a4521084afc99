/// The version of the package, library and command alike.
public let enlargerVersion = "0.1.0"
