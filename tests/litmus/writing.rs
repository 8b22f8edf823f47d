//! How a thread becomes a column of a litmus test: what of it is kept, in which registers, in which words.

use super::thread::{Kind, Node, SharedAccess, Symbol, Thread, Value};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use vdso_tests::machine::{Access, Arithmetic, Operand, Register, Source};

/// A thread as the checker reads it.
pub(crate) struct Written {
    /// A line an instruction.
    pub(crate) lines: Vec<String>,
    /// What registers hold at the start.
    pub(crate) registers: Vec<(String, String)>,
    /// The instructions of the image that it was made from.
    pub(crate) origins: Vec<String>,
    /// The register that is 1 at the end if the thread has not left early.
    pub(crate) accepted: String,
    loads: Vec<(usize, Symbol, u64, String)>,
}

impl Written {
    /// The register that holds what call `call` has loaded from a symbol at one of these offsets, first.
    pub(crate) fn loaded(&self, call: usize, symbol: &Symbol, offsets: Range<u64>) -> Option<&str> {
        let found = self.loads.iter().find(|it| it.0 == call && it.1 == *symbol && offsets.contains(&it.2));
        found.map(|it| it.3.as_str())
    }
}

/// The registers of a thread while it is written.
struct Registers {
    /// The lowest last.
    free: Vec<Register>,
    /// By what they hold from the start: a number, or a symbol's name.
    constants: BTreeMap<String, Register>,
    nodes: HashMap<usize, Register>,
}

impl Registers {
    fn take(&mut self) -> Result<Register, String> {
        self.free.pop().ok_or_else(|| "the thread needs more registers than there are".to_owned())
    }

    fn hold(&mut self, constant: String) -> Result<(), String> {
        let register = self.free.last().copied();
        if let Entry::Vacant(entry) = self.constants.entry(constant) {
            entry.insert(register.ok_or("the thread needs more registers than there are")?);
            self.free.pop();
        }
        Ok(())
    }

    fn constant(&self, name: &str) -> Result<Register, String> {
        self.constants.get(name).copied().ok_or_else(|| format!("no register holds {name}"))
    }

    fn of(&self, value: Value) -> Result<Register, String> {
        match value {
            Value::Node(node) => {
                self.nodes.get(&node).copied().ok_or_else(|| "a value is used that is not kept".to_owned())
            }
            Value::Constant(number) => self.constant(&name_of(number)),
        }
    }
}

/// A number, as tests are given it.
fn name_of(number: u64) -> String {
    (number as i64).to_string()
}

/// Where an operand of arithmetic is to be.
enum Place {
    /// In the instruction.
    Number(u64),
    /// In a register that holds this from the start.
    Constant(String),
    Node(usize),
}

impl Thread<'_> {
    /// Writes the thread with registers of its own. It leaves for `label` where the real one does not go on.
    ///
    /// # Errors
    ///
    /// There are too few registers, or one address is used for two symbols.
    pub(crate) fn write(&self, label: &str) -> Result<Written, String> {
        let kept = self.kept();
        let symbols = self.symbols(&kept)?;
        let free = self.machine.free_registers().into_iter().rev().collect();
        let mut registers = Registers { free, constants: BTreeMap::new(), nodes: HashMap::new() };
        let accepted = registers.take()?;
        for index in &kept {
            for constant in self.constants(*index, &symbols) {
                registers.hold(constant)?;
            }
        }
        let last_uses = self.last_uses(&kept);
        let (mut lines, mut origins, mut loads) = (Vec::new(), Vec::<String>::new(), Vec::new());
        for (position, index) in kept.iter().enumerate() {
            let node = &self.nodes[*index];
            if node.has_result() {
                let register = registers.take()?;
                registers.nodes.insert(*index, register);
                if let Some((symbol, at)) = node.loads() {
                    loads.push((node.call, symbol, at, self.machine.register(register)));
                }
            }
            lines.extend(self.lines(*index, label, &registers, &symbols)?);
            origins.extend(node.origin.clone().filter(|it| origins.last() != Some(it)));
            // What is not used again, and no condition asks for, gives its register back.
            for (done, _) in last_uses.iter().filter(|(_, last)| **last == position) {
                if !self.nodes[*done].asked {
                    registers.free.extend(registers.nodes.get(done));
                }
            }
        }
        lines.extend(self.machine.compute(accepted, &Arithmetic::Copy(Source::Number(1))));
        lines.push(format!("{label}:"));
        let held = |(what, register)| (self.machine.register(register), what);
        let registers = registers.constants.into_iter().map(held).collect();
        Ok(Written { lines, registers, origins, accepted: self.machine.register(accepted), loads })
    }

    /// The accesses, fences and branches, and what they depend on, in order.
    fn kept(&self) -> Vec<usize> {
        let last_access = self.nodes.iter().rposition(|it| matches!(it.kind, Kind::Access(_) | Kind::Send(..)));
        let is_root = |at: usize, node: &Node| match &node.kind {
            Kind::Compute(_) | Kind::Opaque(_) => false,
            // Behind the last access a branch that is never taken orders nothing.
            Kind::Branch { left, right, .. } => {
                !(self.is_opaque(*left) || self.is_opaque(*right)) || last_access.is_some_and(|it| at < it)
            }
            _ => true,
        };
        let mut kept = vec![false; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if kept[at] || is_root(at, node) {
                kept[at] = true;
                node.sources().into_iter().filter_map(Value::node).for_each(|it| kept[it] = true);
            }
        }
        (0..self.nodes.len()).filter(|it| kept[*it]).collect()
    }

    /// For each node the place of its last use.
    fn last_uses(&self, kept: &[usize]) -> BTreeMap<usize, usize> {
        let mut last = BTreeMap::new();
        for (position, index) in kept.iter().enumerate() {
            last.insert(*index, position);
            for source in self.nodes[*index].sources().into_iter().filter_map(Value::node) {
                last.insert(source, position);
            }
        }
        last
    }

    /// Which symbol the constant in each address stands for: that of the access that it ends in.
    fn symbols(&self, kept: &[usize]) -> Result<HashMap<usize, Symbol>, String> {
        let mut symbols: HashMap<usize, Symbol> = HashMap::new();
        for index in kept.iter().rev() {
            let node = &self.nodes[*index];
            let (symbol, bases) = match &node.kind {
                Kind::Access(SharedAccess { base, symbol, .. }) => (Some(*symbol), vec![*base]),
                Kind::Compute(by) if node.pointer.is_some() => (symbols.get(index).copied(), by.operands()),
                _ => continue,
            };
            let Some(symbol) = symbol else { continue };
            for base in bases.into_iter().filter_map(Value::node).filter(|it| self.nodes[*it].pointer.is_some()) {
                if symbols.insert(base, symbol).is_some_and(|it| it != symbol) {
                    return Err(format!("one address is used for {} and another symbol", symbol.name));
                }
            }
        }
        Ok(symbols)
    }

    /// What has to be in a register from the start.
    fn constants(&self, index: usize, symbols: &HashMap<usize, Symbol>) -> Vec<String> {
        match &self.nodes[index].kind {
            Kind::Access(SharedAccess { from, base, symbol, .. }) => {
                let base = base.node().is_none().then(|| symbol.name.to_owned());
                let stored = from.iter().filter_map(|it| match it {
                    Value::Constant(number) if *number != 0 => Some(name_of(*number)),
                    _ => None,
                });
                base.into_iter().chain(stored).collect()
            }
            Kind::Compute(by) => {
                let place = |value: &Value| match self.place(by, *value, symbols.get(&index)) {
                    Place::Constant(constant) => Some(constant),
                    Place::Number(_) | Place::Node(_) => None,
                };
                by.operands().iter().filter_map(place).collect()
            }
            Kind::Branch { right: Value::Constant(number), .. } if !self.machine.immediate(*number) => {
                vec![name_of(*number)]
            }
            Kind::Receive(symbol) => vec![symbol.name.to_owned()],
            Kind::Send(symbol, number) => vec![symbol.name.to_owned(), name_of(*number)],
            Kind::Branch { .. } | Kind::Fence(_) | Kind::Opaque(_) => Vec::new(),
        }
    }

    /// Where an operand is to be. `symbol`: the arithmetic makes an address of it.
    fn place(&self, by: &Arithmetic<Value>, value: Value, symbol: Option<&Symbol>) -> Place {
        let number = match value {
            Value::Node(node) => return Place::Node(node),
            Value::Constant(number) => number,
        };
        if let (Some(_), Some(symbol)) = (self.pointer(value), symbol) {
            return Place::Constant(symbol.name.to_owned());
        }
        let second = by.operands().get(1) == Some(&value);
        match by {
            Arithmetic::Add(_, _, 0) | Arithmetic::And(..) if second && self.machine.immediate(number) => {
                Place::Number(number)
            }
            _ => Place::Constant(name_of(number)),
        }
    }

    /// The instructions of a node.
    fn lines(
        &self,
        index: usize,
        label: &str,
        registers: &Registers,
        symbols: &HashMap<usize, Symbol>,
    ) -> Result<Vec<String>, String> {
        let own = Value::Node(index);
        Ok(match &self.nodes[index].kind {
            Kind::Fence(text) => vec![text.clone()],
            Kind::Access(shared) => self.access(own, shared, registers)?,
            Kind::Compute(by) => {
                let source = |value: Value| match self.place(by, value, symbols.get(&index)) {
                    Place::Number(number) => Ok(Source::Number(number)),
                    Place::Constant(name) => registers.constant(&name).map(Source::Register),
                    Place::Node(node) => registers.of(Value::Node(node)).map(Source::Register),
                };
                self.machine.compute(registers.of(own)?, &by.try_map(source)?)
            }
            Kind::Opaque(values) => {
                let nodes = values.iter().filter(|it| it.node().is_some());
                let sources = nodes.map(|it| registers.of(*it)).collect::<Result<Vec<_>, _>>()?;
                self.zero(registers.of(own)?, &sources)?
            }
            Kind::Branch { stay, left, right } => {
                let right = match right {
                    Value::Constant(number) if self.machine.immediate(*number) => Source::Number(*number),
                    value => Source::Register(registers.of(*value)?),
                };
                let spare = registers.free.last().copied().ok_or("no register is left for a comparison")?;
                let lines = self.machine.leave_unless(*stay, registers.of(*left)?, right, label, spare);
                lines.ok_or("a test that the checker does not have")?
            }
            Kind::Receive(symbol) => self.machine.load_acquire(registers.of(own)?, registers.constant(symbol.name)?),
            Kind::Send(symbol, number) => {
                self.machine.store_release(registers.constant(&name_of(*number))?, registers.constant(symbol.name)?)
            }
        })
    }

    fn access(&self, own: Value, shared: &SharedAccess, registers: &Registers) -> Result<Vec<String>, String> {
        let (base, offset) = match shared.base {
            Value::Constant(_) => (registers.constant(shared.symbol.name)?, shared.at as i64),
            // The register holds an address from the symbol's start instead of the constant.
            Value::Node(base) => {
                let pointer = self.nodes[base].pointer.ok_or("an address without a constant in it")?;
                (registers.of(shared.base)?, shared.offset + pointer as i64 - shared.symbol.start as i64)
            }
        };
        let from = match shared.from {
            None | Some(Value::Constant(0)) => Operand::Constant(0),
            Some(value) => Operand::Register(registers.of(value)?),
        };
        let access = match &shared.access {
            Access::Load { .. } => Access::Load { to: registers.of(own)? },
            Access::Store { .. } => Access::Store { from },
            Access::LoadExclusive { .. } => Access::LoadExclusive { to: registers.of(own)? },
            Access::StoreExclusive { .. } => Access::StoreExclusive { status: registers.of(own)?, from },
            Access::Modify { mnemonic, .. } => {
                Access::Modify { mnemonic: mnemonic.clone(), to: registers.of(own)?, from }
            }
        };
        Ok(self.machine.access(&access, base, offset, shared.bytes, shared.acquire, shared.release))
    }

    /// 0, with a dependency on each of `sources`.
    fn zero(&self, to: Register, sources: &[Register]) -> Result<Vec<String>, String> {
        let xor = |a, b| self.machine.compute(to, &Arithmetic::Xor(Source::Register(a), Source::Register(b)));
        match sources {
            [] => Err("an opaque value that depends on nothing".to_owned()),
            [one] => Ok(xor(*one, *one)),
            [first, second, more @ ..] => {
                let mut lines = xor(*first, *second);
                more.iter().for_each(|it| lines.extend(xor(to, *it)));
                lines.extend(xor(to, to));
                Ok(lines)
            }
        }
    }
}
