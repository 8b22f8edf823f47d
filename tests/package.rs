//! The crates as `cargo package` packs them: an outsider who builds the image from them gets the committed bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATES: [&str; 3] = ["vvar", "vdso-linker", "vdso-image"];

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Where this test builds: below `target`, so that a second run finds the dependencies built.
fn build_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("package")
}

fn cargo(dir: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(dir).env("CARGO_TARGET_DIR", build_dir());
    cargo
}

/// Packs the crates and unpacks them into `dir`; the folder of each.
fn unpacked(dir: &Path) -> Vec<PathBuf> {
    let mut pack = cargo(vdso_tests::workspace());
    pack.args(["package", "--allow-dirty", "--no-verify", "--quiet"]);
    for name in CRATES {
        pack.args(["-p", name]);
    }
    run(&mut pack);
    let version = env!("CARGO_PKG_VERSION");
    CRATES.map(|name| unpack(dir, &format!("{name}-{version}"))).to_vec()
}

fn unpack(dir: &Path, name: &str) -> PathBuf {
    let archive = build_dir().join("package").join(format!("{name}.crate"));
    run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(dir));
    dir.join(name)
}

#[test]
fn from_source_gives_the_committed_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let [vvar, linker, image] = unpacked(dir.path()).try_into().unwrap();
    let manifest = format!(
        "[package]\nname = \"outsider\"\nedition = \"2021\"\n\n\
         [dependencies]\nvdso-image = {{ path = {image:?}, features = [\"from-source\"] }}\n\n\
         [patch.crates-io]\nvvar = {{ path = {vvar:?} }}\nvdso-linker = {{ path = {linker:?} }}\n\n[workspace]\n"
    );
    let program = "use std::io::Write;\n\
                   fn main() { std::io::stdout().write_all(vdso_image::x86_64::IMAGE.as_bytes()).unwrap() }\n";
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/main.rs"), program).unwrap();
    fs::copy(vdso_tests::workspace().join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();

    let built = run(cargo(dir.path()).args(["run", "--quiet"]));
    let committed = vdso_image::x86_64::IMAGE.as_bytes();
    assert!(built == committed, "the image built from the packed crates is another ({} bytes)", built.len());
}
