//! Functions that the compiler calls by name. `core` of a bare target from rustup brings them, weak; one that was built
//! without them does not. Those that copy and compare memory are the architecture's: [`crate::arch::builtins`].

/// 128-bit division, as `vvar`'s timekeeper needs it now and then (psABI, "Runtime support": `__udivti3`, `__umodti3`).
#[no_mangle]
extern "C" fn __udivti3(dividend: u128, divisor: u128) -> u128 {
    divide(dividend, divisor).0
}

/// See [`__udivti3`].
#[no_mangle]
extern "C" fn __umodti3(dividend: u128, divisor: u128) -> u128 {
    divide(dividend, divisor).1
}

/// Quotient and rest, bit by bit.
fn divide(dividend: u128, divisor: u128) -> (u128, u128) {
    let (mut quotient, mut rest) = (0u128, 0u128);
    for bit in (0..128).rev() {
        let carry = rest >> 127 != 0;
        rest = rest << 1 | dividend >> bit & 1;
        if carry || rest >= divisor {
            rest = rest.wrapping_sub(divisor);
            quotient |= 1 << bit;
        }
    }
    (quotient, rest)
}
