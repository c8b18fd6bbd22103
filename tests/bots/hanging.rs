//! A server that hangs in mid-run is no success, and its silence is in the latencies.

use super::scripted::Scripted;
use super::{bots, text};
use serde_json::Value;

/// Three bots, ten steps and a ping a second each: some two seconds of a server, then nothing.
#[test]
fn a_server_that_hangs_fails_the_run_and_what_it_owes_is_measured() {
    let server = Scripted::hanging(22);
    let output = bots(&["--url", &server.url(), "--count", "3", "--seconds", "6", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let last = errors.lines().last().unwrap();
    assert!(last.starts_with("evertick: no bot heard anything in the last "), "{errors}");
    assert!(last.ends_with(" s; the server did not answer at the end"), "{errors}");
    assert_eq!((&report["answered"], &report["joined"]), (&false.into(), &3.into()), "{report}");
    assert!(report["lost"].as_object().unwrap().is_empty(), "nobody is told that it is over: {report}");
    let silent = report["silent_seconds"].as_f64().unwrap();
    assert!((2.0..7.0).contains(&silent), "{report}");
    // 18 were due; one for each bot may be too young at the end, and one may have been due just before the measuring.
    let latency = |which: &str| report["latency_us"][which].as_f64().unwrap();
    assert!((11.0..=20.0).contains(&latency("samples")), "{report}");
    // Whoever asked before the silence, or in its first second, has waited almost that long.
    assert!(latency("p999") >= (silent - 1.1) * 1e6, "{report}");
}
