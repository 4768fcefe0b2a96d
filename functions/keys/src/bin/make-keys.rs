//! The Lambda function.
fn main() -> std::process::ExitCode {
    keys::main()
}
