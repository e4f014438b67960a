//! The `declic` command: reads the command line, does what it says, exits with its code.

fn main() -> std::process::ExitCode {
    declic::cli::main()
}
