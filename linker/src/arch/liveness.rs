//! Which registers are still in use: their values are read before they are written again.

use super::{Flow, OrderKind, Paths, Registers};
use std::collections::HashMap;

/// The registers and flags that are used at or behind each instruction before they get another value.
#[derive(Debug)]
pub struct Liveness {
    uses: HashMap<u64, Use>,
    /// Those that a caller may use.
    returned: Registers,
}

/// The registers in use before an instruction, by those that are in use when its function has returned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Use {
    /// Those that the function itself uses.
    own: Registers,
    /// Those that reach a return unwritten on some way, and are in use if they are in use there.
    passed: Registers,
}

impl Use {
    const RETURN: Use = Use { own: 0, passed: Registers::MAX };

    /// In use on one way or the other.
    fn or(self, other: Use) -> Use {
        Use { own: self.own | other.own, passed: self.passed | other.passed }
    }

    /// In use before code that is followed by a place where `behind` are.
    fn before(self, behind: Use) -> Use {
        Use { own: self.own | behind.own & self.passed, passed: behind.passed & self.passed }
    }
}

impl Liveness {
    /// `results` are the registers that a function returns something in, `system_call` those that the kernel reads.
    ///
    /// What a call uses is what its callee uses, whatever the calling convention gives it: compilers leave values that
    /// nobody needs any more in the registers of arguments that it does not have.
    pub fn new(paths: &Paths<'_>, results: Registers, system_call: Registers) -> Self {
        // The smallest solution: from nothing up, until it agrees with itself.
        let mut uses: HashMap<u64, Use> = HashMap::new();
        let mut changed = true;
        while changed {
            changed = false;
            for instruction in paths.instructions().rev() {
                let order = &instruction.order;
                let at = |address: u64| uses.get(&address).copied().unwrap_or_default();
                let next = paths.behind(instruction).fold(Use::default(), |all, next| all.or(at(next.address)));
                let behind = match instruction.flow {
                    Flow::Call(callee) => at(callee).before(next),
                    Flow::Return => Use::RETURN,
                    _ => next,
                };
                let used = order.reads
                    | match order.kind {
                        OrderKind::Load { address } => address,
                        OrderKind::SystemCall => system_call,
                        _ => 0,
                    };
                let now = Use { own: used, passed: !order.writes }.before(behind);
                changed |= uses.insert(instruction.address, now) != Some(now);
            }
        }
        Liveness { uses, returned: results | paths.preserved() }
    }

    /// Those in use at the instruction at `address` or behind it.
    pub fn at(&self, address: u64) -> Registers {
        self.uses.get(&address).map_or(0, |known| known.own | self.returned & known.passed)
    }
}
