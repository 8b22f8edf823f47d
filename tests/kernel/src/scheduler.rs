//! What a CPU does between programs.

use crate::arch::trap::Frame;
use crate::arch::{boot, cpu, per_cpu, timer};
use crate::process::{self, Next, State};

/// Runs what is ready on this CPU, for ever.
pub extern "C" fn run() -> ! {
    let this = per_cpu::index();
    boot::machine().tables.activate();
    loop {
        match process::take_next(this) {
            Next::Run(space, context) => {
                timer::arm(process::others_ready(this).1);
                space.activate();
                context.enter()
            }
            Next::Wait(deadline) => {
                if this == 0 && process::none_left() {
                    crate::runs::next();
                    continue;
                }
                timer::arm(deadline);
                cpu::wait_for_interrupt();
            }
        }
    }
}

/// The timer's interrupt has come while a program ran: others get their turn.
pub fn tick(frame: &Frame) {
    let (ready, deadline) = process::others_ready(per_cpu::index());
    if ready {
        process::leave(frame, |it| it.state = State::Ready);
    }
    timer::arm(deadline);
}
