//! What the loader tells by the PVH boot protocol: memory, and the file given by `-initrd`.
//!
//! Layout: Xen's public header `arch-x86/hvm/start_info.h`.

use super::mmu::direct;

const MAGIC: u32 = 0x336e_c578;

#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryRegion {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// `kind` of usable memory.
const RAM: u32 = 1;

/// What this kernel takes from it: physical addresses, ends exclusive.
#[derive(Debug, Clone, Copy)]
pub struct BootInfo {
    /// The region of usable memory that holds the kernel.
    pub memory: (u64, u64),
    /// The file.
    pub module: (u64, u64),
}

/// Reads it.
///
/// # Safety
///
/// `start_info` is what the PVH entry got in EBX, nothing has written to the memory that it leads to, and the direct map
/// covers it.
pub unsafe fn read(start_info: u64, kernel: u64) -> Result<BootInfo, &'static str> {
    // SAFETY: the caller's promise.
    let info = unsafe { direct(start_info).cast::<StartInfo>().read_unaligned() };
    if info.magic != MAGIC {
        return Err("no PVH start info: boot the kernel with QEMU's -kernel");
    }
    if info.version == 0 || info.modules == 0 {
        return Err("no programs: give the archive with QEMU's -initrd");
    }
    // SAFETY: as above; the list has at least one entry.
    let module = unsafe { direct(info.module_list).cast::<Module>().read_unaligned() };
    let entry = |index: u32| {
        let at = info.memory_map + u64::from(index) * size_of::<MemoryRegion>() as u64;
        // SAFETY: as above; the index is below the number of entries.
        unsafe { direct(at).cast::<MemoryRegion>().read_unaligned() }
    };
    let region = (0..info.memory_map_entries)
        .map(entry)
        .find(|it| it.kind == RAM && it.address <= kernel && kernel - it.address < it.size)
        .ok_or("the loader's memory map does not hold the kernel's memory")?;
    Ok(BootInfo {
        memory: (region.address, region.address + region.size),
        module: (module.address, module.address + module.size),
    })
}
