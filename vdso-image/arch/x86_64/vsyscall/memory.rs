//! The kernel's access to the memory of the process that faulted.

/// The end of user addresses with four-level paging, as Linux has it: the last page below 2^47 belongs to nobody, so that
/// no `syscall` instruction ends at a non-canonical address.
pub const USER_END: u64 = (1 << 47) - 4096;

/// The memory of the process that faulted.
pub trait UserMemory {
    /// Reads 8 bytes, little-endian, at any alignment; `None` if the process may not read one of them. Memory that is not
    /// present yet is brought in, as for any system call. Called only for what [`is_user_range`](Self::is_user_range)
    /// accepts.
    fn read_u64(&self, address: u64) -> Option<u64>;

    /// Whether `length` bytes at `address` are user addresses, mapped or not: what the kernel asks first of any
    /// pointer that it is given.
    ///
    /// The default accepts all that ends at or below [`USER_END`]. A kernel whose user space ends elsewhere (five-level
    /// paging) has its own.
    fn is_user_range(&self, address: u64, length: u64) -> bool {
        matches!(address.checked_add(length), Some(end) if end <= USER_END)
    }
}
