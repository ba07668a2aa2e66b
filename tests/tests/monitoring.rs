//! What watches the program knows it: dashboard and alert rules speak of metrics that are served, and are well formed.
//! docs/metrics.md stands for what is served: a test of the program compares the two.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn the_alert_rules_are_right() {
    let folder = repository().join("deploy/prometheus");
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let mut promtool = Command::new(promtool());
        let output = promtool.args(arguments).current_dir(&folder).output().expect("run promtool");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
    }
}

/// Each alert is tried: one that never was seen to fire may never do.
#[test]
fn every_alert_is_tried() {
    let folder = repository().join("deploy/prometheus");
    let rules = fs::read_to_string(folder.join("alerts.yml")).unwrap();
    let tests = fs::read_to_string(folder.join("alerts_test.yml")).unwrap();
    let names: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("alertname: {name}\n        exp_alerts: [{{")), "{name} never fires");
        assert!(tests.contains(&format!("alertname: {name}, exp_alerts: [] }}")), "{name} is never silent");
    }
}

#[test]
fn rules_and_dashboard_speak_of_metrics_that_are_served() {
    let served = served();
    assert!(served.contains("cdc_lag_seconds"));
    let rules = fs::read_to_string(repository().join("deploy/prometheus/alerts.yml")).unwrap();
    let rules =
        rules.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let mut used = metrics(&rules);
    used.extend(expressions(&dashboard()).iter().flat_map(|expression| metrics(expression)));
    assert!(used.len() > 15, "{used:?}");
    let unknown: Vec<_> = used.difference(&served).collect();
    assert!(unknown.is_empty(), "not served: {unknown:?}");
}

/// As far as that can be told without a Grafana: what its importer and its panels need.
#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    assert!(dashboard["uid"].as_str().unwrap().len() <= 40);
    assert_eq!(dashboard["title"], "cdc");
    assert!(dashboard["id"].is_null(), "an id belongs to one Grafana alone");
    let variables: BTreeSet<&str> =
        list(&dashboard["templating"]["list"]).iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert_eq!(variables, BTreeSet::from(["datasource", "pipeline"]));
    let panels = list(&dashboard["panels"]);
    let mut ids = BTreeSet::new();
    let mut places = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| place[key].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}: {place}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(places.insert(cell), "{title} covers another panel");
        }
        assert!(["row", "stat", "timeseries"].contains(&panel["type"].as_str().unwrap()), "{title}");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{title} shows nothing");
        let names: BTreeSet<_> = targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), targets.len(), "{title}: a refId twice");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expression = target["expr"].as_str().unwrap();
            assert!(expression.contains("pipeline=~\"$pipeline\""), "{title}: {expression}");
        }
    }
}

/// Prometheus reads every expression of the dashboard.
#[test]
fn the_dashboard_s_expressions_are_promql() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("expressions.yml");
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, expression) in expressions(&dashboard()).iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m").replace("$pipeline", ".*");
        let expression = serde_json::to_string(&expression).unwrap();
        rules += &format!("      - record: panel:{number}\n        expr: {expression}\n");
    }
    fs::write(&file, rules).unwrap();
    let output = Command::new(promtool()).args(["check", "rules"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn served() -> BTreeSet<String> {
    let documentation = fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    documentation
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect()
}

/// What looks like a metric of ours or of the process.
fn metrics(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("cdc_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let targets =
        list(&dashboard["panels"]).iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(repository().join("deploy/grafana/cdc.json")).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// From `dev/install prometheus`, wherever it was installed.
fn promtool() -> PathBuf {
    let state = std::env::var_os("CDC_STATE").map_or_else(|| repository().join(".state"), PathBuf::from);
    let promtool = state.join("prometheus/usr/bin/promtool");
    assert!(promtool.exists(), "there is no {}: dev/install prometheus", promtool.display());
    promtool
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
