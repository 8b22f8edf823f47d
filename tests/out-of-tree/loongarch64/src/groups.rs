//! The groups of encodings beyond the basic integer instructions, by what they are for: an image may have none of them, and
//! the reason depends on the group.
//!
//! Source: manual, appendix B, "Table of Instruction Encoding".

/// Whether the encoding is of a group that works on floating-point, condition or vector registers.
pub(crate) fn is_floating_point_or_vector(word: u32) -> bool {
    match word >> 24 {
        // Arithmetic; 4R, comparison, selection; LSX and LASX.
        0x01 | 0x08..=0x0f | 0x70..=0x77 => true,
        // BCEQZ and BCNEZ; with bit 9 they are jumps to registers of binary translation.
        0x48..=0x4b => word & 1 << 9 == 0,
        // FLD, FST, VLD, VST, XVLD, XVST; VLDREPL, VSTELM.
        0x2b | 0x2c | 0x30..=0x33 => true,
        // FLDX, FSTX, VLDX, VSTX, XVLDX, XVSTX; FLDGT to FSTLE.
        0x38 => (0x3830_0000..0x3850_0000).contains(&word) || (0x3874_0000..0x3878_0000).contains(&word),
        _ => false,
    }
}

/// Whether the encoding is of a group for kernels and hypervisors: CSRRD and its like, CACOP, IOCSRRD, TLBSRCH, ERTN,
/// IDLE; DBCL and HVCL.
pub(crate) fn is_privileged(word: u32) -> bool {
    matches!(word >> 24, 0x04..=0x06) || matches!(word >> 15, 0x55 | 0x57)
}

/// Whether it is one of the checksums, which a processor may lack (2.2.9; CPUCFG.1.CRC).
pub(crate) fn is_checksum(word: u32) -> bool {
    matches!(word >> 15, 0x48..=0x4f)
}
