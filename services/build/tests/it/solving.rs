//! Which steps are done, and when.

use gantry_types::error_chain;

use crate::made_workshop::MadeWorkshop;

const LAYERED: &str = "FROM base AS one\nRUN write one 1\nFROM base AS two\nCOPY b /b\nRUN write two 2\nFROM one\nCOPY --from=two /two /b /\n";

#[test]
fn in_a_made_workshop_an_image_has_what_its_steps_gave() {
    let workshop = MadeWorkshop::new();
    let files = workshop.build(LAYERED, &[("b", "B")]).unwrap();
    assert_eq!(files, ["b B", "one 1", "two 2"]);
    assert_eq!(workshop.executed.lock().unwrap().len(), 2);
    let again = workshop.build(LAYERED, &[("b", "B")]).unwrap();
    assert_eq!(again, files);
    assert_eq!(workshop.executed.lock().unwrap().len(), 2, "all of it is remembered");
    let changed = workshop.build(LAYERED, &[("b", "other")]).unwrap();
    assert_eq!(changed, ["b other", "one 1", "two 2"]);
    assert_eq!(workshop.executed.lock().unwrap().len(), 3, "what lies below the change stays");
}

#[test]
fn in_a_made_workshop_stages_that_need_not_wait_do_not() {
    let workshop = MadeWorkshop::new();
    // Each would wait for ever if the other began later.
    let dockerfile = "FROM base AS one\nRUN meet one\nFROM base AS two\nRUN meet two\nFROM one\nCOPY --from=two / /\n";
    workshop.build(dockerfile, &[]).unwrap();
    assert_eq!(workshop.executed.lock().unwrap().len(), 2);
}

#[test]
fn in_a_made_workshop_the_same_step_of_two_stages_is_done_once() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base AS one\nRUN write x 1\nFROM base AS two\nRUN write x 1\nFROM one\nCOPY --from=two /x /y\n";
    let files = workshop.build(dockerfile, &[]).unwrap();
    assert_eq!(files, ["x 1", "y 1"]);
    assert_eq!(*workshop.executed.lock().unwrap(), ["write x 1"]);
}

#[test]
fn in_a_made_workshop_only_what_the_target_needs_is_built() {
    let workshop = MadeWorkshop::new();
    let dockerfile =
        "FROM base AS a\nRUN write a 1\nFROM base AS b\nRUN fail 1\nFROM a AS c\nRUN write c 1\n";
    workshop.build(dockerfile, &[]).unwrap();
    assert_eq!(*workshop.executed.lock().unwrap(), ["write a 1", "write c 1"]);
    let told = workshop.told.lock().unwrap().clone();
    assert_eq!(
        told,
        ["1/4 FROM base AS a", "2/4 RUN write a 1", "3/4 FROM a AS c", "4/4 RUN write c 1"]
    );
    let error = workshop.build_with(dockerfile, &[], |request| request.target = Some("B".into()));
    assert_eq!(
        error_chain(&error.unwrap_err()),
        "line 4: RUN fail 1: The command 'fail 1' returned a non-zero code: 1"
    );
}

#[test]
fn in_a_made_workshop_the_first_failure_is_told_and_ends_the_others() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base AS one\nRUN fail 3\nFROM base AS two\nCOPY --from=one / /\nRUN write never 1\nFROM missing\nCOPY --from=two / /\n";
    let error = error_chain(&workshop.build(dockerfile, &[]).unwrap_err());
    let is_one = error.contains("non-zero code: 3") || error.contains("no such image: missing");
    assert!(is_one, "{error}");
    assert!(!workshop.executed.lock().unwrap().contains(&"write never 1".to_owned()));
}

#[test]
fn in_a_made_workshop_stages_may_begin_anew() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base AS kept\nRUN write a 1\nFROM base AS fresh\nRUN write b 1\nFROM kept\nCOPY --from=fresh / /\n";
    workshop.build(dockerfile, &[]).unwrap();
    let forget = |request: &mut gantry_build::Request| {
        request.forgets_stages.insert("fresh".to_owned());
    };
    workshop.build_with(dockerfile, &[], forget).unwrap();
    assert_eq!(workshop.executed.lock().unwrap().last().unwrap(), "write b 1");
    assert_eq!(workshop.executed.lock().unwrap().len(), 3);
}

#[test]
fn in_a_made_workshop_a_trigger_that_names_a_stage_nobody_builds_is_an_error() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base AS other\nRUN write a 1\nFROM triggers:0\n";
    let error = error_chain(&workshop.build(dockerfile, &[]).unwrap_err());
    assert!(error.contains("invalid source \"0\": it comes from a trigger"), "{error}");
    // With the stage among those that are built, it is what the trigger means.
    let dockerfile =
        "FROM base AS other\nRUN write a 1\nFROM triggers:0\nCOPY --from=other /a /b\n";
    assert_eq!(workshop.build(dockerfile, &[]).unwrap(), ["a 1", "b 1"]);
}

#[test]
fn in_a_made_workshop_a_stage_that_panics_keeps_nobody_waiting() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base AS one\nRUN panic\nFROM base\nCOPY --from=one / /\n";
    let build = std::panic::AssertUnwindSafe(|| workshop.build(dockerfile, &[]));
    assert!(std::panic::catch_unwind(build).is_err(), "the panic goes on in the caller");
}

#[test]
fn in_a_made_workshop_a_failure_ends_the_commands_of_other_stages() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base AS one\nRUN for-ever\nFROM base AS two\nRUN fail 3\nFROM one\nCOPY --from=two / /\n";
    let error = error_chain(&workshop.build(dockerfile, &[]).unwrap_err());
    assert!(error.contains("non-zero code: 3"), "{error}");
}

#[test]
fn in_a_made_workshop_there_are_not_more_stages_than_threads() {
    let workshop = MadeWorkshop::new();
    let chain = |count: usize| {
        let next = |number| format!("FROM s{} AS s{number}\n", number - 1);
        "FROM base AS s0\n".to_owned() + &(1..count).map(next).collect::<String>()
    };
    workshop.build(&chain(200), &[]).unwrap();
    let error = error_chain(&workshop.build(&chain(201), &[]).unwrap_err());
    assert_eq!(error, "the number of stages is over the limit of 200");
}
