//! docs/performance.md quotes what was measured: its tables are the data that its plots are drawn from.

use crate::markdown::{read, table};

/// The cells of a data file, its head first.
fn data(path: &str) -> Vec<Vec<String>> {
    let text = read(path);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn tables_are_the_data() {
    let page = read("docs/performance.md");
    for name in ["bots.csv", "ratios.csv"] {
        let data = data(&format!("docs/images/{name}"));
        let place = page.split_once(&format!("<!-- {name} -->\n"));
        let (_, behind) = place.unwrap_or_else(|| panic!("docs/performance.md has no place for {name}"));
        let (_, rows) = data.split_first().unwrap_or_else(|| panic!("{name} is empty"));
        assert!(!rows.is_empty(), "{name} has no rows");
        let told = behind.split("<!-- end -->").next().unwrap_or_default();
        assert_eq!(
            told.trim().lines().next().unwrap_or_default(),
            format!("| {} |", data[0].join(" | ")),
            "docs/performance.md: the head of {name}: run docs/images/plot.py"
        );
        assert_eq!(table(told, &data[0][0]), rows, "docs/performance.md: {name}: run docs/images/plot.py");
    }
}

/// The counts that benches/README.md shows are those that CI holds.
#[test]
fn counts_are_the_guard_s() {
    let figures = read("benches/guard.txt");
    let page = read("benches/README.md");
    let rows = table(&page, "workload");
    let lines: Vec<&str> =
        figures.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(rows.len(), lines.len(), "benches/README.md: run benches/tables.py");
    for (row, line) in rows.iter().zip(lines) {
        let told = row.join(" ").replace(',', "");
        let mut figures: Vec<&str> = line.split_whitespace().collect();
        // How many allocations there are in all is what CI compares; the page has them for a unit.
        figures.remove(3).parse::<u64>().expect("a number of allocations");
        assert_eq!(told, figures.join(" "), "benches/README.md: run benches/tables.py");
    }
}

/// A figure is of a commit; one that is of none says so.
#[test]
fn tables_say_their_commit() {
    let page = read("benches/README.md");
    for name in ["codec", "packet", "broadcast", "tick", "growth", "counts"] {
        let place = page.split_once(&format!("<!-- {name} -->\n"));
        let (_, behind) = place.unwrap_or_else(|| panic!("benches/README.md has no place for {name}"));
        let first = behind.lines().next().unwrap_or_default();
        assert!(first.contains("commit "), "benches/README.md: {name} says no commit: run benches/tables.py");
    }
}

/// What is drawn is there, and each plot speaks of every server and every row.
#[test]
fn plots_show_the_data() {
    let svg = read("docs/images/ratios.svg");
    for row in data("docs/images/ratios.csv").iter().skip(1) {
        assert!(svg.contains(&format!(">{}</text>", row[0])), "ratios.svg has no {}", row[0]);
        assert!(svg.contains(&format!("</tspan> {}</text>", row[1])), "ratios.svg has no {}", row[1]);
    }
    assert!(read("docs/images/players.svg").contains("prefers-color-scheme: dark"));
}
