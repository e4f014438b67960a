//! The `declic` command: reads the command line, does what it says, exits with its code.

/// A quarter of the time of simulations and renderings went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    declic::cli::main()
}
