//! The Dockerfile language, as version 1.26 of `docker/dockerfile` has it: source text → statements → instructions in stages,
//! the expansion of variables in them, the checks that warn, and the patterns of `.dockerignore`.
//!
//! ```text
//! let source = Source::parse(text)?;                 directives, statements with their lines, heredocs
//! let dockerfile = Dockerfile::read(&source)?;       typed instructions, grouped by stage
//! let warnings = lint::check(&source, &dockerfile, &checks);
//! ```
//!
//! Nothing here does I/O: no base image is looked up, and no file of the context is read. The texts of errors and warnings are
//! those that users of Docker know. The source followed is <https://docs.docker.com/reference/dockerfile/>.

mod error;
mod excerpt;
mod expand;
mod frontend;
mod ignore;
mod instruction;
pub mod lint;
mod names;
mod remote;
mod source;
mod span;
mod stage;

pub use error::{Problem, SyntaxError};
pub use excerpt::excerpt;
pub use expand::{Expanded, Expander, InvalidSubstitution, Variables};
pub use frontend::{Frontend, VERSION};
pub use ignore::{IgnoreFile, InvalidPattern};
pub use instruction::{
    Argument, CacheSharing, Command, Expose, Health, HealthCheck, Instruction, InvalidMount,
    KeyValue, Mount, MountKind, Network, Run, StageFrom, Step, Transfer,
};
pub use remote::{InvalidRemote, Remote, Repository};
pub use source::{CheckDirective, Directives, Flag, Heredoc, Source, Statement};
pub use span::Span;
pub use stage::{Dockerfile, Stage};
