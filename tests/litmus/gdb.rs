//! A program in QEMU's user mode, driven through QEMU's gdb stub (GDB manual, appendix "GDB Remote Serial Protocol").

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long QEMU may take to listen, and to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stopped program.
pub(crate) struct Debuggee {
    qemu: Child,
    stub: BufReader<UnixStream>,
}

impl Debuggee {
    /// Starts `program` under `qemu`, stopped before its first instruction. `socket` is a path for QEMU's socket.
    pub(crate) fn start(qemu: &Path, program: &Path, socket: &Path) -> Result<Debuggee> {
        // A socket that an earlier run has left behind; QEMU refuses to take its place.
        if socket.exists() {
            std::fs::remove_file(socket)?;
        }
        let mut qemu = Command::new(qemu).arg("-g").arg(socket).arg(program).stdin(Stdio::null()).spawn()?;
        let begun = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if begun.elapsed() > PATIENCE || qemu.try_wait()?.is_some() => {
                    let _ = qemu.kill().and_then(|()| qemu.wait());
                    return Err(error);
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Debuggee { qemu, stub: BufReader::new(stream) })
    }

    /// The first `count` 64-bit registers, in the order of the stub's `g` packet.
    pub(crate) fn registers(&mut self, count: usize) -> Result<Vec<u64>> {
        let answer = self.ask("g")?;
        let bytes = (0..answer.len() / 2)
            .map(|at| {
                u8::from_str_radix(answer.get(2 * at..2 * at + 2).unwrap_or(""), 16).map_err(|_| bad("g", &answer))
            })
            .collect::<Result<Vec<u8>>>()?;
        let words = bytes.chunks_exact(8).map(|it| it.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        let words: Vec<u64> = words.take(count).collect();
        if words.len() == count {
            Ok(words)
        } else {
            Err(bad("g", &answer))
        }
    }

    /// Executes one instruction.
    pub(crate) fn step(&mut self) -> Result<()> {
        self.go("s")
    }

    /// Runs until a breakpoint.
    pub(crate) fn run(&mut self) -> Result<()> {
        self.go("c")
    }

    /// Runs to an address, or to a breakpoint that comes before it.
    pub(crate) fn run_to(&mut self, address: u64) -> Result<()> {
        self.stop_at(address)?;
        self.run()?;
        self.breakpoint('z', address)
    }

    /// Sets a breakpoint.
    pub(crate) fn stop_at(&mut self, address: u64) -> Result<()> {
        self.breakpoint('Z', address)
    }

    fn breakpoint(&mut self, set: char, address: u64) -> Result<()> {
        // The last number is the length of the breakpoint instruction.
        let packet = format!("{set}0,{address:x},4");
        match self.ask(&packet)?.as_str() {
            "OK" => Ok(()),
            answer => Err(bad(&packet, answer)),
        }
    }

    fn go(&mut self, how: &str) -> Result<()> {
        let answer = self.ask(how)?;
        // Signal 5: SIGTRAP, a breakpoint or a step.
        if answer.starts_with("T05") || answer.starts_with("S05") {
            Ok(())
        } else {
            Err(bad(how, &answer))
        }
    }

    /// Sends a packet and returns the answer's data.
    fn ask(&mut self, data: &str) -> Result<String> {
        let sum = data.bytes().fold(0u8, u8::wrapping_add);
        write!(self.stub.get_mut(), "${data}#{sum:02x}")?;
        let mut packet = Vec::new();
        // Acknowledgements come before the answer's `$`.
        self.stub.read_until(b'$', &mut packet)?;
        packet.clear();
        self.stub.read_until(b'#', &mut packet)?;
        let mut sum = [0; 2];
        self.stub.read_exact(&mut sum)?;
        self.stub.get_mut().write_all(b"+")?;
        packet.pop();
        String::from_utf8(packet).map_err(|_| bad(data, "no text"))
    }
}

impl Drop for Debuggee {
    fn drop(&mut self) {
        let _ = self.qemu.kill().and_then(|()| self.qemu.wait());
    }
}

fn bad(packet: &str, answer: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("QEMU's gdb stub answers `{packet}` with `{answer}`"))
}
