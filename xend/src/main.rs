//! The program `xend`.

fn main() -> std::process::ExitCode {
    xend::program::main()
}
