import Enlarger

// upscale INPUT OUTPUT, three times as large, in 256 MiB
var options = UpscaleOptions()
options.scale = 3
options.memory = 256 << 20
options.modelFolders = ["models"]
let upscaler = try Upscaler(options: options)
let result = try upscaler.upscale(CommandLine.arguments[1], to: CommandLine.arguments[2])
print("\(result.width) x \(result.height), planned \(result.plannedBytes) bytes")
