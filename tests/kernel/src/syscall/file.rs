//! Output, and what little else programs ask for when they start.

use super::{read_user, Errno, Outcome};
use crate::arch;
use crate::console;
use crate::paging::AddressSpace;
use crate::random;

fn require_output(descriptor: u64) -> Result<(), Errno> {
    if descriptor == 1 || descriptor == 2 {
        Ok(())
    } else {
        Err(Errno::BADF)
    }
}

/// Standard output and standard error are the console.
pub fn write(descriptor: u64, address: u64, length: u64) -> Outcome {
    require_output(descriptor)?;
    let mut buffer = [0; 256];
    // As write(2): what fits at once, and the program writes the rest.
    let part = buffer.get_mut(..length.min(256) as usize).unwrap_or_default();
    AddressSpace::active().read_bytes(address, part)?;
    console::print_bytes(part);
    Ok(part.len() as u64)
}

pub fn writev(descriptor: u64, vector: u64, count: u64) -> Outcome {
    const MAX_COUNT: u64 = 1024;
    require_output(descriptor)?;
    if count > MAX_COUNT {
        return Err(Errno::INVAL);
    }
    let mut written = 0;
    for index in 0..count {
        let [address, length]: [u64; 2] = read_user(vector.wrapping_add(16 * index))?;
        let part = write(descriptor, address, length)?;
        written += part;
        if part < length {
            break;
        }
    }
    Ok(written)
}

/// `struct utsname`: a static glibc program wants a version of Linux that it knows.
pub fn uname(address: u64) -> Outcome {
    const FIELD: usize = 65;
    let fields = ["Linux", "vdso", "6.1.0", "a test kernel", arch::NAME, ""];
    for (index, text) in fields.into_iter().enumerate() {
        let mut field = [0; FIELD];
        field[..text.len()].copy_from_slice(text.as_bytes());
        AddressSpace::active().write_bytes(address.wrapping_add((index * FIELD) as u64), &field)?;
    }
    Ok(0)
}

pub fn getrandom(address: u64, length: u64) -> Outcome {
    /// What is given without a pause for a signal (man 2 getrandom).
    const MAX: u64 = 256;
    let length = length.min(MAX);
    for offset in (0..length).step_by(8) {
        let bytes = random::number().to_le_bytes();
        let part = &bytes[..(length - offset).min(8) as usize];
        AddressSpace::active().write_bytes(address.wrapping_add(offset), part)?;
    }
    Ok(length)
}
