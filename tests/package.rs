//! The crates as `cargo package` packs them: an outsider who builds the image from them gets the committed bytes, and one who
//! brings an architecture of his own needs nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

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

/// The crates, packed and unpacked, with the folder of each.
fn unpacked() -> &'static (TempDir, [PathBuf; 3]) {
    static UNPACKED: OnceLock<(TempDir, [PathBuf; 3])> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let mut pack = cargo(vdso_tests::workspace());
        pack.args(["package", "--allow-dirty", "--no-verify", "--quiet"]);
        for name in CRATES {
            pack.args(["-p", name]);
        }
        run(&mut pack);
        let dir = tempfile::tempdir().unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let folders = CRATES.map(|name| unpack(dir.path(), &format!("{name}-{version}")));
        (dir, folders)
    })
}

fn unpack(dir: &Path, name: &str) -> PathBuf {
    let archive = build_dir().join("package").join(format!("{name}.crate"));
    run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(dir));
    dir.join(name)
}

#[test]
fn from_source_gives_the_committed_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (_, [vvar, linker, image]) = unpacked();
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

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// The crates in `tests/out-of-tree`, but for their tests, in workspaces of their own.
#[test]
fn architectures_from_outside_need_nothing_else() {
    let (_, [vvar, linker, image]) = unpacked();
    let mut count = 0;
    for entry in fs::read_dir(vdso_tests::workspace().join("tests/out-of-tree")).unwrap() {
        let folder = entry.unwrap().path();
        let dir = tempfile::tempdir().unwrap();
        for part in ["src", "image"] {
            copy(&folder.join(part), &dir.path().join(part));
        }
        let manifest = format!(
            "[package]\nname = \"outsider\"\nedition = \"2021\"\n\n\
             [dependencies]\nvvar = {{ path = {vvar:?}, features = [\"source\"] }}\nvdso-linker = {{ path = {linker:?} }}\n\
             vdso-image = {{ path = {image:?}, features = [\"source\"] }}\n\n\
             [patch.crates-io]\nvvar = {{ path = {vvar:?} }}\n\n[workspace]\n"
        );
        fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
        fs::copy(vdso_tests::workspace().join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
        run(cargo(dir.path()).args(["check", "--quiet"]));
        count += 1;
    }
    assert!(count > 0, "no architecture in tests/out-of-tree");
}
