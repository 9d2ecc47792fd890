//! What becomes of a request: operation, accesses and decision, for every case of `tests/data/decisions.txt`.

use std::time::SystemTime;

use s3_access_proxy::config::Config;
use s3_access_proxy::explain::{Question, explain};
use serde_json::Value;

use crate::harness::table::{Call, rows};

fn access(access: &Value) -> String {
    let text = |key: &str| access[key].as_str();
    let mut line = format!("{} {}", text("action").unwrap(), text("bucket").unwrap_or("*"));
    for (mark, key) in [("/", "key"), ("?prefix=", "prefix"), ("@", "version")] {
        line.extend(text(key).map(|value| format!("{mark}{value}")));
    }
    if access["needed"] == false {
        line.push('?');
    }
    line
}

/// As the table writes it.
fn outcome(answer: &Value) -> [String; 3] {
    let accesses: Vec<String> = answer["accesses"].as_array().unwrap().iter().map(access).collect();
    let by = answer["decided_by"].as_str();
    let decision = match (answer["decision"].as_str().unwrap(), by, answer["error_code"].as_str()) {
        ("denied", None, Some("AccessDenied")) => "denied".to_owned(),
        ("denied", None, Some(code)) => format!("{} {code}", answer["status"]),
        (decision, by, _) => format!("{decision} {}", by.unwrap_or_default()),
    };
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [answer["operation"].as_str().unwrap_or("-").to_owned(), or_dash(accesses.join("; ")), decision]
}

#[test]
fn every_request_is_what_the_table_says() {
    let config = Config::parse(include_str!("../data/decisions.yaml"), &[]).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for row in rows(include_str!("../data/decisions.txt")) {
        let arrow = row.iter().position(|field| field.starts_with("=> ")).unwrap();
        let mut expected = row[arrow..].to_vec();
        expected[0].replace_range(.."=> ".len(), "");
        let call = Call::parse(&row[2..arrow]);
        let identity = format!("spiffe://cluster.local/ns/reports/sa/{}", row[1]);
        let question = Question::new(&[identity], &call.method, &call.target, &call.headers, call.body);
        let question = question.unwrap_or_else(|error| panic!("{}: {error}", row[0]));
        let found = outcome(&explain(&config, question, SystemTime::now()).to_json());
        if found.as_slice() != expected.as_slice() {
            wrong.push(format!("{}: {found:?} instead of {expected:?}", row[0]));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 500, "{count}");
}
