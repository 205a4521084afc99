import Tensors
enum ModelsCommand { static func run(_ words: [String]) throws -> Int32 { throw EnlargerError(.usage, "models") } }
enum EvaluateCommand { static func run(_ words: [String]) throws -> Int32 { throw EnlargerError(.usage, "evaluate") } }
