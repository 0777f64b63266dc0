//! config.md, "Linux Process": oomScoreAdj.

use std::fs;

use serde_json::json;

use crate::case::{Section, must};

pub(super) fn section() -> Section {
    let cases = vec![
        must("set", "oom_score_adj has the given value.", |stage| {
            stage.set("/process/oomScoreAdj", json!(500));
            assert_eq!(stage.look().text("/oom_score_adj"), "500");
        }),
        must("most", "The highest value can be given.", |stage| {
            stage.set("/process/oomScoreAdj", json!(1000));
            assert_eq!(stage.look().text("/oom_score_adj"), "1000");
        }),
        must("other-user", "It holds for a process of another user.", |stage| {
            stage.set("/process/oomScoreAdj", json!(300));
            stage.set("/process/user", json!({"uid": 1000, "gid": 1000}));
            assert_eq!(stage.look().text("/oom_score_adj"), "300");
        }),
        must("unset", "Without it, the value is the runtime's own.", |stage| {
            let own = fs::read_to_string("/proc/self/oom_score_adj").expect("read our own");
            assert_eq!(stage.look().text("/oom_score_adj"), own.trim());
        }),
        must("out-of-range", "A value that the kernel does not take makes an error.", |stage| {
            stage.set("/process/oomScoreAdj", json!(1001)).refused();
        }),
    ];
    Section::new("config.md", "oomScoreAdj", cases)
}
