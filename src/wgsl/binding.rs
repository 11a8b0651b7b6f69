//! What a shader needs and binds, as values.

/// What a binding is for, by the convention of `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindingKind {
    /// `var<storage, read>`: a buffer read.
    Input,
    /// `var<storage, read_write>`: a buffer written.
    Output,
    /// `var<uniform> params`: the kernel's shapes and strides.
    Params,
    /// `var<uniform> scalars`: numbers that change from run to run.
    Scalars,
}

/// One binding of a shader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its number in group 0.
    pub number: u32,
    /// The variable's name.
    pub name: String,
    /// What it is for.
    pub kind: BindingKind,
    /// Whether `main` uses it. A binding that is not used needs no buffer.
    pub used: bool,
    /// Whether `main` asks for its `arrayLength`.
    pub measured: bool,
    /// Bytes of the variable's type; for an array of run-time length, those of one element: the least that may be bound.
    pub bytes: u32,
    /// For a uniform, the bytes that must be bound: more than `bytes` if it is opaque (see [`opaque`](super::opaque)).
    pub bound: u32,
    /// The members of its struct; empty for a storage buffer.
    pub members: Vec<Member>,
}

/// A member of the `Params` or `Scalars` struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Bytes before it.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
}

impl Member {
    /// Whether it is an array, which may be given in part: anything longer than a vector.
    pub fn is_array(&self) -> bool {
        self.size > 16
    }
}

/// What a shader needs and binds, read from its source.
#[derive(Clone, Debug)]
pub struct Reflected {
    /// All declared bindings, by number.
    pub bindings: Vec<Binding>,
    /// Invocations of a workgroup along each axis.
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory `main` uses.
    pub workgroup_bytes: u32,
    /// Whether `main` asks for its place in a subgroup: then a workgroup must be one subgroup, whole.
    pub subgroup: bool,
    /// Members of the `params` struct; empty if there is none.
    pub params: Vec<Member>,
    /// Members of the `scalars` struct; empty if there is none.
    pub scalars: Vec<Member>,
    /// The parsed module, so that a device need not parse again.
    #[cfg(not(target_family = "wasm"))]
    pub module: naga::Module,
    /// What the validator found out.
    #[cfg(not(target_family = "wasm"))]
    pub info: naga::valid::ModuleInfo,
}

impl Reflected {
    /// Declared bindings of one kind, by number: the k-th input is the k-th of these.
    pub fn of(&self, kind: BindingKind) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |b| b.kind == kind)
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> u32 {
        self.workgroup_size.iter().product()
    }
}
