import Enlarger
import Glibc
import PictureIO
import Tensors

@main
struct Command {
    static let usage = """
        enlarge [upscale] INPUT... [-o FILE|FOLDER] [-m MODEL] [-s 2|3|4|8|2,4,8] [--memory SIZE] [--device auto|cpu|vulkan[:N]]
                [--precision auto|fp32|bf16|fp16] [-j THREADS] [-f png|jpg|webp|tiff|avif|szi] [-r] [--skip-existing]
                [--chroma bicubic|bilinear] [-x] [--tile N [--overlap N]] [--models FOLDER] [--json] [-q] [-v]
        enlarge plan      -m MODEL --size WxH [--memory SIZE] [--device ...] [--json]
        enlarge models    list | info MODEL | convert FROM TO | fetch NAME...|--all [--from URL] [--force]
        enlarge network   MODEL --input IN.npy --output OUT.npy      the bare network: float32 NCHW in, float32 NCHW out
        enlarge evaluate  -m MODEL -s SCALE FOLDER                    PSNR and SSIM over *_HR.png / *_LR.png pairs
        enlarge bench     -m MODEL --size WxH [--passes N]            the network alone, on random input
        enlarge devices
        enlarge serve     [--listen ADDRESS:PORT] [--data FOLDER] [--memory SIZE] [...]     the service: docs/service.md
        enlarge worker    --queue nats://HOST:PORT --store FOLDER|s3://BUCKET [--memory SIZE] [...]  many machines: docs/scale.md
        enlarge submit    INPUT... [-o FILE|FOLDER] [-m MODEL] [-s SCALE] [--wait] [--parts N] --queue nats://... --store ...
        enlarge status    --queue nats://HOST:PORT [--json]

        Also understood, as Real-ESRGAN-ncnn-vulkan spells them: -i INPUT, -n MODEL with -m FOLDER, -g GPU, -t TILE, -j L:P:S.
        MODEL is a shipped name (lite-x3; -m lite -s 3 means the same) or a file. SIZE is a number of bytes, or takes K, M, G.
        Exit status: 0 done, 1 a picture failed, 2 wrong usage, 3 it does not fit the budget, 4 no such device.
        """
    static let version = enlargerVersion

    static func main() {
        var words = Array(CommandLine.arguments.dropFirst())
        // A reader that goes away is an error of the write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        if words.isEmpty {
            print(usage)
            exit(ExitStatus.usage)
        }
        if words == ["help"] { words = ["--help"] }
        if words == ["--version"] || words == ["version"] {
            print("enlarge \(version)")
            exit(ExitStatus.done)
        }
        let commands: [String: ([String]) throws -> Int32] = [
            "upscale": UpscaleCommand.run, "plan": PlanCommand.run, "models": ModelsCommand.run, "network": NetworkCommand.run,
            "evaluate": EvaluateCommand.run, "bench": BenchCommand.run, "devices": DevicesCommand.run, "serve": ServeCommand.run,
            "worker": WorkerCommand.run, "submit": SubmitCommand.run, "status": StatusCommand.run,
        ]
        let command = commands[words[0]]
        if command != nil { words.removeFirst() }
        if words.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
            print(usage)
            exit(ExitStatus.done)
        }
        do {
            exit(try (command ?? UpscaleCommand.run)(words))
        } catch {
            let error = error as? EnlargerError ?? EnlargerError(.outputFailed, "\(error)")
            Console(isJSON: words.contains("--json")).error(error)
            exit(ExitStatus.of(error))
        }
    }

    /// Ctrl-C and SIGTERM end the process with nothing half-written left.
    static func removeTemporariesOnSignals() {
        var mask = sigset_t()
        sigemptyset(&mask)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var inherited = sigaction()
            // nohup and background jobs of a shell ignore signals on purpose.
            if sigaction(number, nil, &inherited) == 0, unsafeBitCast(inherited.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
            sigaddset(&mask, number)
            signal(number) { number in
                TemporaryFiles.removeAll()
                let text: StaticString = "enlarge: interrupted, nothing was written\n"
                _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
                _exit(128 + number)
            }
        }
        // Blocked signals are inherited too, from whatever thread of the parent started this process.
        pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    }
}
