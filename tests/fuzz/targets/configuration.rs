//! Any configuration: every problem is told, and the effective form of a good one reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_access_proxy::config::Config;

fuzz_target!(|text: &str| {
    match Config::parse(text, &[]) {
        Ok(config) => {
            let shown = config.to_string();
            let again = Config::parse(&shown, &[]).unwrap_or_else(|problems| panic!("{problems}\n{shown}"));
            assert_eq!(again.to_string(), shown);
        }
        Err(problems) => assert!(problems.iter().next().is_some()),
    }
});
