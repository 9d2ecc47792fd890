use super::roles::SETTINGS;
use super::*;
use crate::s3::Action;

#[test]
fn the_short_form_of_settings_is_the_long_one() {
    let fits = |pattern: &str, action: &str| {
        let mut parts = pattern.split('*');
        let (head, tail) = (parts.next().unwrap(), parts.next());
        match tail {
            None => action == head,
            Some(tail) => {
                action.len() >= pattern.len() - 1 && action.starts_with(head) && action.ends_with(tail)
            }
        }
    };
    for action in Action::ALL {
        let short = SETTINGS.iter().any(|pattern| fits(pattern, action.as_str()));
        assert_eq!(settings().contains(*action), short, "{action}");
    }
}
