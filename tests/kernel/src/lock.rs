//! Locks between CPUs.
//!
//! The kernel runs with interrupts off, except for the moment in which an idle CPU waits for one: so a holder is never
//! interrupted by code that wants the same lock.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

/// A spin lock.
#[derive(Debug)]
pub struct Lock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: one holder at a time reaches the value.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// Free.
    pub const fn new(value: T) -> Lock<T> {
        Lock { held: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Waits until it is free.
    pub fn lock(&self) -> Guard<'_, T> {
        while self.held.swap(true, Ordering::Acquire) {
            core::hint::spin_loop();
        }
        Guard(self)
    }
}

/// Frees the lock when dropped.
#[derive(Debug)]
pub struct Guard<'a, T>(&'a Lock<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: this guard is the one holder.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the one holder.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Release);
    }
}

/// A value that is set once, while the kernel starts.
#[derive(Debug)]
pub struct Once<T> {
    is_set: AtomicBool,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: written before `is_set`, and never again.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// Not set.
    pub const fn new() -> Once<T> {
        Once { is_set: AtomicBool::new(false), value: UnsafeCell::new(None) }
    }

    /// Sets it: by one CPU, once.
    pub fn set(&self, value: T) {
        assert!(!self.is_set.load(Ordering::Acquire), "set twice");
        // SAFETY: nobody reads it before `is_set`, and only the CPU that starts the kernel sets it.
        unsafe { *self.value.get() = Some(value) };
        self.is_set.store(true, Ordering::Release);
    }

    /// The value.
    pub fn get(&self) -> &T {
        assert!(self.is_set.load(Ordering::Acquire), "used before it was set");
        // SAFETY: it was set, and is not written again.
        match unsafe { &*self.value.get() } {
            Some(value) => value,
            None => unreachable!("set to a value"),
        }
    }
}
