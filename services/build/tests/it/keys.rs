//! What steps depend on, and what is told of them.

use crate::made_workshop::MadeWorkshop;

/// How many commands were executed by these builds, one after another.
fn executed(dockerfiles: &[&str]) -> usize {
    let workshop = MadeWorkshop::new();
    for dockerfile in dockerfiles {
        workshop.build(dockerfile, &[]).unwrap();
    }
    workshop.executed.lock().unwrap().len()
}

#[test]
fn in_a_made_workshop_an_argument_is_no_variable() {
    let as_variable = "FROM base\nENV A=\"file 1\"\nRUN [\"p\", \"mounts\"]\n";
    let as_argument = "FROM base\nRUN [\"p\", \"mounts\", \"A=file 1\"]\n";
    assert_eq!(executed(&[as_variable, as_argument]), 2);
    assert_eq!(executed(&[as_variable, as_variable]), 1);
}

#[test]
fn in_a_made_workshop_a_variable_is_no_directory() {
    let one = "FROM base\nENV A=1 B=2\nWORKDIR /\nRUN mounts\n";
    let other = "FROM base\nENV A=1\nWORKDIR /\nENV B=2\nRUN mounts\n";
    let third = "FROM base\nENV A=1\nWORKDIR /\nRUN mounts\n";
    assert_eq!(executed(&[one, other]), 1, "the order of what says the same is nothing");
    assert_eq!(executed(&[one, third]), 2);
}

#[test]
fn in_a_made_workshop_what_surrounds_commands_counts() {
    let workshop = MadeWorkshop::new();
    for (hosts, count) in [("", 1), ("db:10.0.0.1", 2), ("db:10.0.0.2", 3), ("db:10.0.0.1", 3)] {
        let change = |request: &mut gantry_build::Request| {
            hosts.clone_into(&mut request.surroundings);
        };
        workshop.build_with("FROM base\nRUN write x 1\n", &[], change).unwrap();
        assert_eq!(workshop.executed.lock().unwrap().len(), count, "{hosts}");
    }
}

#[test]
fn in_a_made_workshop_what_is_told_elsewhere_has_no_values_of_arguments() {
    let workshop = MadeWorkshop::new();
    let context = workshop.fresh("empty");
    let dockerfile = "FROM base\nARG TOKEN=hidden\nRUN write x 1\n";
    let built = workshop.built_in(dockerfile, &context, |_| {}).unwrap();
    let [step] = &built.steps[..] else { panic!("{:?}", built.steps) };
    assert_eq!(step.text, "RUN |1 TOKEN=hidden /bin/sh -c write x 1");
    assert_eq!(step.written, "RUN write x 1");
}
