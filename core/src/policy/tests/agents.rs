//! Agents, their tokens, and what is granted to one alone.

use jiff::SignedDuration;

use super::kit::{Home, NOW, label, name, terms};
use crate::context::AgentToken;
use crate::error::ErrorCode;
use crate::policy::{Bound, Grant, Terms, Token};

fn token(text: &str, id: &str, minutes: i64) -> Token {
    let expires = NOW + SignedDuration::from_mins(minutes);
    Token { id: id.to_owned(), sha256: AgentToken::new(text).digest(), created: NOW, expires }
}

fn home() -> Home {
    let mut home = Home::new();
    let project = home.project();
    for agent in ["one", "two"] {
        let change = home.document.register_agent(project, &label(agent), NOW).expect("registered");
        assert_eq!(change.says.contains("are refused"), agent == "one");
        let change = home.document.add_token(project, &label(agent), &token(agent, agent, 10)).expect("added");
        assert!(change.changed);
    }
    home
}

#[test]
fn a_token_names_its_agent_until_it_ends_or_is_revoked() {
    let mut home = home();
    let shown = |home: &Home, text: &str, minutes: i64| {
        let now = NOW + SignedDuration::from_mins(minutes);
        match home.document.shown(&AgentToken::new(text), &home.denies, now) {
            Ok(agent) => Ok(agent.name.to_string()),
            Err(refused) => Err((refused.agent.map(|agent| agent.name.to_string()), refused.error.code())),
        }
    };
    for agent in ["one", "two"] {
        assert_eq!(shown(&home, agent, 9), Ok(agent.to_owned()));
        // The end is not part of the life.
        assert_eq!(shown(&home, agent, 10), Err((Some(agent.to_owned()), ErrorCode::AgentTokenInvalid)));
    }
    for wrong in ["", "on", "onee", "ONE"] {
        assert_eq!(shown(&home, wrong, 0), Err((None, ErrorCode::AgentTokenInvalid)));
    }
    assert!(home.denies.revoke("one") && !home.denies.revoke("one"));
    assert_eq!(shown(&home, "one", 0), Err((Some("one".to_owned()), ErrorCode::AgentTokenInvalid)));
    assert_eq!(shown(&home, "two", 0), Ok("two".to_owned()));
}

#[test]
fn a_token_that_has_ended_is_forgotten_with_the_next_one() {
    let mut home = home();
    let project = home.project();
    let late = Token { created: NOW + SignedDuration::from_mins(20), ..token("new", "new", 90) };
    assert!(home.document.add_token(project, &label("one"), &late).expect("added").changed);
    let ids: Vec<&str> = home.document.tokens().map(|(_, token)| token.id.as_str()).collect();
    assert_eq!(ids, ["new", "two"]);
}

#[test]
fn a_grant_of_one_agent_counts_for_it_alone() {
    let mut home = home();
    let one = Bound::from(home.document.agent(home.project(), &label("one")).expect("registered"));
    home = home.grant("KEY", Terms { agent: Some(one), ..terms("api.example.com") });
    let code = |agent: Option<usize>| {
        let home = Home { agent, document: home.document.clone(), ..Home::new() };
        home.ask("https://api.example.com/", &[("KEY", "bearer")]).map(drop).map_err(|why| why.code())
    };
    assert_eq!(code(Some(0)), Ok(()));
    assert_eq!(code(Some(1)), Err(ErrorCode::DestinationNotAllowed));
    assert_eq!(code(None), Err(ErrorCode::AgentRequired));
    let document = &home.document;
    assert_eq!(document.visible_to(&document.agents[0]).len(), 1);
    assert_eq!(document.visible_to(&document.agents[1]).len(), 0);
}

#[test]
fn an_unbound_grant_stands_beside_one_that_is_bound() {
    let mut home = home();
    let project = home.project();
    let one = Bound::from(home.document.agent(project, &label("one")).expect("registered"));
    for agent in [None, Some(one.clone()), Some(one)] {
        let grant = Grant::new(project, name("KEY"), Terms { agent, ..terms("api.example.com") }, NOW);
        assert!(home.document.add_grant(grant.expect("legal")).expect("added").changed);
    }
    assert_eq!(home.document.grants.len(), 2);
    assert!(home.document.delete_agent(project, &label("one")).expect("deleted").changed);
    assert_eq!((home.document.grants.len(), home.document.agents.len()), (1, 1));
    assert!(home.document.delete_agent(project, &label("one")).is_err());
    home.policy(); // What is left is read back.
}
