//! A thread of a litmus test under construction: its accesses, barriers, branches and arithmetic, in program order, each naming
//! the ones whose values it uses.

use vdso_tests::machine::{Access, Arithmetic, Machine, Operand, Test};

/// Shared memory: a line of the page, or a word of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) name: &'static str,
    /// Its address in the run, or one that nothing in the run has.
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

/// A constant, or what a node results in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Constant(u64),
    Node(usize),
}

/// An access to shared memory.
#[derive(Debug, Clone)]
pub(crate) struct SharedAccess {
    pub(crate) access: Access,
    /// What is stored.
    pub(crate) from: Option<Value>,
    /// The address, with `offset` added in the instruction.
    pub(crate) base: Value,
    pub(crate) offset: i64,
    pub(crate) symbol: Symbol,
    /// Where in the symbol.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) acquire: bool,
    pub(crate) release: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Access(SharedAccess),
    /// In the checker's words.
    Fence(String),
    Compute(Arithmetic<Value>),
    /// 0, with these dependencies.
    Opaque(Vec<Value>),
    /// Leaves the thread unless the test holds.
    Branch {
        stay: Test,
        left: Value,
        right: Value,
    },
    /// A message from another thread, and to one, with the order that programs give it.
    Receive(Symbol),
    Send(Symbol, u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The instruction that it was made from.
    pub(crate) origin: Option<String>,
    /// Which call of the thread it belongs to.
    pub(crate) call: usize,
    /// A condition may ask what it has loaded.
    pub(crate) asked: bool,
    /// For an address: the constant in it, in whose place the test has a symbol.
    pub(crate) pointer: Option<u64>,
    pub(crate) opaque: bool,
}

/// A thread.
pub(crate) struct Thread<'a> {
    pub(crate) machine: &'a dyn Machine,
    /// The page's address in the run.
    pub(crate) page: u64,
    pub(crate) nodes: Vec<Node>,
    /// How many calls, and steps of the test's own, it has so far.
    pub(crate) calls: usize,
}

impl<'a> Thread<'a> {
    pub(crate) fn new(machine: &'a dyn Machine, page: u64) -> Thread<'a> {
        Thread { machine, page, nodes: Vec::new(), calls: 0 }
    }

    /// A load of a message from another thread, acquire.
    pub(crate) fn receive(&mut self, from: Symbol) {
        self.own_step(Kind::Receive(from));
    }

    /// A store of a message, release.
    pub(crate) fn send(&mut self, to: Symbol, value: u64) {
        self.own_step(Kind::Send(to, value));
    }

    /// A store that holds nothing back, and waits for nothing.
    pub(crate) fn store(&mut self, to: Symbol, value: u64) {
        let store = Access::Store { from: Operand::Constant(value) };
        self.own_step(self.plain(store, to, Some(Value::Constant(value))));
    }

    /// A load that holds nothing back.
    pub(crate) fn load(&mut self, from: Symbol) {
        // Which register it was is of no account here.
        self.own_step(self.plain(Access::Load { to: 0 }, from, None));
    }

    /// A full fence.
    pub(crate) fn fence(&mut self) {
        self.own_step(Kind::Fence(self.machine.full_fence()));
    }

    fn own_step(&mut self, kind: Kind) {
        let call = self.calls;
        self.nodes.push(Node { kind, origin: None, call, asked: true, pointer: None, opaque: false });
        self.calls += 1;
    }

    /// An access to all of a symbol.
    pub(crate) fn plain(&self, access: Access, symbol: Symbol, from: Option<Value>) -> Kind {
        let (base, bytes) = (Value::Constant(symbol.start), symbol.bytes);
        let (acquire, release) = (false, false);
        Kind::Access(SharedAccess { access, from, base, offset: 0, symbol, at: 0, bytes, acquire, release })
    }

    /// Adds a node, or finds the one that it would repeat.
    ///
    /// # Errors
    ///
    /// The node is an access whose address the checker has no arithmetic for.
    pub(crate) fn push(&mut self, kind: Kind) -> Result<usize, String> {
        let kind = match kind {
            // What is computed from an opaque value is opaque: 0, with the same dependencies.
            Kind::Compute(by) if by.operands().iter().any(|it| self.is_opaque(*it)) => Kind::Opaque(by.operands()),
            Kind::Access(SharedAccess { base, .. }) if self.is_opaque(base) => {
                return Err("the address is computed in a way that the checker has no arithmetic for".to_owned());
            }
            kind => kind,
        };
        let opaque = matches!(kind, Kind::Opaque(_));
        if let Kind::Opaque(values) = &kind {
            let mut nodes = values.iter().filter_map(|it| it.node());
            let first = nodes.next();
            if let Some(same) = first.filter(|it| self.nodes[*it].opaque && nodes.all(|other| other == *it)) {
                return Ok(same);
            }
        }
        let call = self.calls;
        self.nodes.push(Node { kind, origin: None, call, asked: false, pointer: None, opaque });
        Ok(self.nodes.len() - 1)
    }

    pub(crate) fn is_opaque(&self, value: Value) -> bool {
        value.node().is_some_and(|it| self.nodes[it].opaque)
    }

    /// The constant in an address: a number within the page.
    pub(crate) fn pointer(&self, value: Value) -> Option<u64> {
        match value {
            Value::Constant(number) => Some(number).filter(|it| (self.page..self.page + 4096).contains(it)),
            Value::Node(node) => self.nodes[node].pointer,
        }
    }
}

impl Value {
    pub(crate) fn node(self) -> Option<usize> {
        match self {
            Value::Node(node) => Some(node),
            Value::Constant(_) => None,
        }
    }
}

impl Node {
    /// The values that it uses.
    pub(crate) fn sources(&self) -> Vec<Value> {
        match &self.kind {
            Kind::Access(SharedAccess { from, base, .. }) => from.iter().copied().chain([*base]).collect(),
            Kind::Compute(by) => by.operands(),
            Kind::Opaque(values) => values.clone(),
            Kind::Branch { left, right, .. } => vec![*left, *right],
            Kind::Fence(_) | Kind::Receive(_) | Kind::Send(..) => Vec::new(),
        }
    }

    /// Whether it leaves something in a register.
    pub(crate) fn has_result(&self) -> bool {
        match &self.kind {
            Kind::Access(SharedAccess { access, .. }) => access.result().is_some(),
            Kind::Compute(_) | Kind::Opaque(_) | Kind::Receive(_) => true,
            Kind::Fence(_) | Kind::Branch { .. } | Kind::Send(..) => false,
        }
    }

    /// The word that it loads.
    pub(crate) fn loads(&self) -> Option<(Symbol, u64)> {
        match &self.kind {
            Kind::Access(SharedAccess { access: Access::Load { .. }, symbol, at, .. }) => Some((*symbol, *at)),
            Kind::Receive(symbol) => Some((*symbol, 0)),
            _ => None,
        }
    }
}
