//! The tasks every installation knows.

use crate::domain::{Budget, Goal, Holdout, Task, TaskName, Unit};
use crate::space;

impl Task {
    /// Test accuracy, in percent, of NAS-Bench-201's networks on CIFAR-10 after 12 and 200 epochs: the
    /// task this binary is shipped with a model for.
    ///
    /// # Panics
    /// Never: name and share are valid.
    #[must_use]
    pub fn nasbench201_cifar10() -> Self {
        Self {
            name: TaskName::new(TaskName::NASBENCH201_CIFAR10).expect("the built-in name is a valid one"),
            space: space::nasbench201(),
            dataset: "cifar10".to_owned(),
            metric: "test_accuracy".to_owned(),
            goal: Goal::Maximize,
            unit: Unit::Percent,
            // Guessing among ten classes is right in 10 of 100 cases: less than 1 must be a fraction.
            valid_range: 1.0..=100.0,
            budgets: vec![Budget(12), Budget(200)],
            holdout: Holdout::new("nasbench201-cifar10/1", 0.1).expect("a share of 0.1 is valid"),
        }
    }

    /// The built-in task of that name.
    #[must_use]
    pub fn builtin(name: &TaskName) -> Option<Self> {
        (name.as_str() == TaskName::NASBENCH201_CIFAR10).then(Self::nasbench201_cifar10)
    }
}
