//! The list of what is wrong with a mail, kept short.

use crate::parse::Defect;
use crate::parse::DefectKind;

/// More defects of one kind than these say nothing new, and a hostile mail could have thousands.
const OF_A_KIND_MAX: usize = 10;

/// Collects defects, each distinct one once.
#[derive(Debug, Default)]
pub(super) struct Defects(Vec<Defect>);

impl Defects {
    /// Notes a defect. `detail` must not hold text of the mail.
    pub(super) fn add(&mut self, kind: DefectKind, detail: impl Into<String>) {
        let defect = Defect { kind, detail: detail.into() };
        let of_a_kind = self.0.iter().filter(|known| known.kind == kind).count();
        if of_a_kind < OF_A_KIND_MAX && !self.0.contains(&defect) {
            self.0.push(defect);
        }
    }

    /// The defects in the order found.
    pub(super) fn into_vec(self) -> Vec<Defect> {
        self.0
    }
}
