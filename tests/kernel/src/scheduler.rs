//! What a CPU does between programs.

use crate::arch::trap::{self, Frame};
use crate::arch::{cpu, per_cpu};
use crate::machine::machine;
use crate::process::{self, Next, State};
use crate::{signal, timer};

/// Runs what is ready on this CPU, for ever.
pub extern "C" fn run() -> ! {
    let this = per_cpu::index();
    machine().tables.activate();
    loop {
        match process::take_next(this) {
            Next::Run(space, mut context) => {
                timer::arm(process::others_ready(this).1);
                space.activate();
                context.restore();
                signal::deliver_pending(&mut context.frame);
                trap::enter(&context.frame)
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

/// The timer's interrupt, or another CPU's, has come while a program ran: others get their turn, and its signals reach it.
pub fn interrupted(frame: &mut Frame) {
    let (ready, deadline) = process::others_ready(per_cpu::index());
    if ready {
        process::leave(frame, |it| it.state = State::Ready);
    }
    timer::arm(deadline);
    signal::deliver_pending(frame);
}
