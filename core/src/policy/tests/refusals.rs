//! Refusals end with a command that mends them: carried out as written, it does.

use std::net::IpAddr;
use std::process::Command;

use super::kit::{Home, label, name, rule, terms};
use crate::call::{Auth, Injection};
use crate::error::{ErrorCode, Stage};
use crate::policy::{Slot, Terms};
use crate::secret_ref::SecretRef;

/// What a shell makes of a hint: the words after `agentsecrets allow NAME`.
fn words(hint: &str) -> Vec<String> {
    let line = hint.strip_prefix("agentsecrets ").unwrap_or_else(|| panic!("no command: {hint}"));
    let output = Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output().expect("a shell");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let words: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(words[0], "allow", "{hint}");
    words[1..].to_vec()
}

/// Carries a hint out on a home, as the command line would.
fn mend(home: Home, hint: &str) -> Home {
    let words = words(hint);
    let mut terms: Terms = terms(&words[1]);
    let mut slots = Vec::new();
    let mut rest = words[2..].iter();
    while let Some(flag) = rest.next() {
        let mut value = || rest.next().expect("a value").as_str();
        match flag.as_str() {
            "--slot" => slots.push(Slot::parse(value()).expect("a slot")),
            "--method" => terms.methods.push(value().parse().expect("a method")),
            "--environment" => terms.environment = Some(label(value())),
            "--permit-header" => terms.permit_headers.push(value().parse().expect("a header")),
            "--private" => terms.private = true,
            other => panic!("{other} is no flag"),
        }
    }
    home.grant(&words[0], terms.with_slots(slots))
}

#[test]
fn every_allow_in_a_hint_mends_its_refusal_in_one_step_or_leads_on() {
    let limited = || {
        let mut terms = terms("https://api.example.com/v1/*");
        terms.methods = vec!["GET".parse().expect("a method")];
        terms.environment = Some(label("production"));
        Home::new().grant("KEY", terms)
    };
    let url = "https://api.example.com/v2/it's";
    let homes = [
        Home::new(),
        Home::new().method("DELETE").header("Range", "bytes=0-1"),
        limited().method("DELETE").header("X-HTTP-Method", "PUT"),
        Home::new().grant("KEY", terms("api.example.com")).deny("KEY", Some("https://*.example.com")),
    ];
    for slot in ["bearer", "header:X-Api-Key", "query:a b$(x)", "body:/a.b/c~1d", "form:it's"] {
        for (at, home) in homes.iter().enumerate() {
            let mut home = Home {
                headers: home.headers.clone(),
                document: home.document.clone(),
                denies: home.denies.clone(),
                method: home.method.clone(),
                environment: home.environment.clone(),
                now: home.now,
                agent: None,
            };
            let mut steps = 0;
            while let Err(error) = home.ask(url, &[("KEY", slot)]) {
                steps += 1;
                assert!(steps <= 4, "home {at}, {slot}: {error} {:?}", error.hint());
                home = mend(home, error.hint().expect("a command"));
            }
            assert!(steps >= 1);
        }
    }
}

#[test]
fn a_command_for_another_project_says_so() {
    let mut home = Home::new();
    let (other, _) = home.document.create_project(label("payments")).expect("a new name");
    let call = [("payments/development/KEY", "bearer")];
    let error = home.ask("https://api.example.com/", &call).expect_err("not linked");
    assert_eq!((error.code(), error.hint()), (ErrorCode::ProjectNotLinked, Some("agentsecrets project use payments")));
    assert!(home.document.link("/work/payments".as_ref(), other).expect("a known project").changed);
    let (code, hint) = home.refusal("https://api.example.com/", &call);
    assert_eq!(code, "destination_not_allowed");
    assert_eq!(hint, "AGENTSECRETS_PROJECT=payments agentsecrets allow KEY api.example.com");
    // A grant of the same name in this project is none in the other.
    let home = home.grant("KEY", terms("api.example.com"));
    assert!(home.ask("https://api.example.com/", &call).is_err());
    let permitted = home.ask("https://api.example.com/", &[("shop/staging/KEY", "bearer")]).expect("granted here");
    let checked = &permitted.checked()[0];
    assert_eq!(
        (checked.project, &checked.environment, &checked.secret),
        (home.project(), &label("staging"), &name("KEY"))
    );
}

#[test]
fn an_address_is_refused_with_the_flag_that_opens_it_or_with_none() {
    let ip = |text: &str| text.parse::<IpAddr>().expect(text);
    let injections = [Injection { auth: Auth::Query("k".to_owned()), secret: SecretRef::new("KEY").expect("a name") }];
    let slots = vec![Slot::parse("query:k").expect("a slot")];
    let home = Home::new().grant("KEY", terms("*.corp.example.com").with_slots(slots));
    let permitted = home.ask("https://a.corp.example.com/", &[("KEY", "query:k")]).expect("granted");
    let error = permitted.refused_address(ip("10.1.2.3"), &injections);
    assert_eq!((error.code(), error.stage()), (ErrorCode::AddressRefused, Stage::Send));
    assert_eq!(error.hint(), Some("agentsecrets allow KEY '*.corp.example.com' --slot query:k --private"));
    assert_eq!(permitted.refused_address(ip("169.254.169.254"), &injections).hint(), None);

    let home = Home::new().grant("KEY", Terms::new(rule("http://localhost:1")));
    let permitted = home.ask("http://localhost:1/", &[("KEY", "bearer")]).expect("granted");
    assert_eq!(permitted.refused_address(ip("10.1.2.3"), &injections).hint(), None);
}
