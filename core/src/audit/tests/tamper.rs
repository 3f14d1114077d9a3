use super::*;

/// A log of five calls in three files, an anchor of its end, and a way to alter its lines.
struct Victim {
    home: Home,
    anchor: Anchor,
}

impl Victim {
    fn new() -> Self {
        let home = Home::new();
        let log = home.open_rotating_at(2500);
        (0..5).for_each(|_| call(&log));
        let anchor = log.anchor();
        drop(log);
        assert_eq!(home.assert_sound(), 10);
        assert_eq!(files::segments(&home.dir()).expect("segments").len(), 3);
        Self { home, anchor }
    }

    /// Alters the lines of the second file, whose first record is the fifth.
    fn alter(&self, alter: impl FnOnce(&mut Vec<String>)) {
        self.alter_segment(2, alter);
    }

    fn alter_segment(&self, number: u32, alter: impl FnOnce(&mut Vec<String>)) {
        let path = files::segment_path(&self.home.dir(), number);
        let mut lines: Vec<String> = self.home.segment(number).lines().map(|line| format!("{line}\n")).collect();
        alter(&mut lines);
        fs::write(path, lines.concat()).expect("write");
    }

    /// The line of the second file that both ways to verify name, with its id.
    #[track_caller]
    fn named(&self) -> (Option<String>, u64) {
        let [without, with] = self.home.verdicts().map(|verdict| verdict.first_bad.expect("found"));
        assert_eq!((&without.file, &with.file), (&"000002.jsonl".to_owned(), &without.file));
        assert_eq!((&without.id, without.line), (&with.id, with.line), "{without:?} {with:?}");
        (without.id, without.line)
    }

    fn id(&self, index: usize) -> Option<String> {
        Some(self.home.records()[index].id.clone())
    }

    fn against_anchor(&self) -> Verdict {
        verify(&self.home.dir(), None, Some(&self.anchor)).expect("readable")
    }
}

#[test]
fn an_edit_is_found_in_every_field_and_names_its_record() {
    for (field, edit) in [
        ("\"outcome\":\"ok\"", "\"outcome\":\"failed\""),
        ("STRIPE_KEY", "OTHER_KEY1"),
        ("\"status\":200", "\"status\":201"),
        ("api.example.com", "api.attacker.io"),
        ("billing-agent", "another-agent"),
        ("\"duration_ms\":12", "\"duration_ms\":123456"),
        ("T", " "),
        ("}", " }"),
    ] {
        let victim = Victim::new();
        let id = victim.id(5);
        victim.alter(|lines| lines[1] = lines[1].replacen(field, edit, 1));
        assert_eq!(victim.named(), (id, 2), "{field}");
    }
}

#[test]
fn an_edit_of_the_links_themselves_names_its_record() {
    for field in ["\"prev\":\"", "\"mac\":\""] {
        let victim = Victim::new();
        let id = victim.id(5);
        victim.alter(|lines| {
            let at = lines[1].find(field).expect("field") + field.len();
            let digit = if lines[1].as_bytes()[at] == b'0' { "1" } else { "0" };
            lines[1].replace_range(at..=at, digit);
        });
        assert_eq!(victim.named(), (id, 2), "{field}");
    }
}

#[test]
fn an_edit_of_the_last_record_is_found() {
    for (field, edit) in [("\"ok\"", "\"no\""), ("\"prev\":\"", "\"prev\":\"0")] {
        let victim = Victim::new();
        let id = victim.id(9);
        victim.alter_segment(3, |lines| {
            let last = lines.last_mut().expect("lines");
            *last = last.replacen(field, edit, 1);
        });
        for verdict in victim.home.verdicts() {
            assert_eq!(verdict.first_bad.expect("found").id, id, "{field}");
        }
    }
}

#[test]
fn a_deletion_names_the_record_behind_it() {
    let victim = Victim::new();
    let id = victim.id(6);
    victim.alter(|lines| drop(lines.remove(1)));
    assert_eq!(victim.named(), (id, 2));
}

#[test]
fn a_swap_is_found_at_its_first_record() {
    let victim = Victim::new();
    let id = victim.id(6);
    victim.alter(|lines| lines.swap(1, 2));
    assert_eq!(victim.named(), (id, 2));
}

#[test]
fn a_repeated_record_is_found() {
    let victim = Victim::new();
    let id = victim.id(5);
    victim.alter(|lines| lines.insert(2, lines[1].clone()));
    assert_eq!(victim.named(), (id, 3));
}

#[test]
fn an_inserted_record_with_the_right_links_is_found() {
    let victim = Victim::new();
    let id = victim.id(5);
    victim.alter(|lines| lines.insert(1, lines[1].replacen("\"ok\"", "\"failed\"", 1)));
    assert_eq!(victim.named(), (id, 2));
}

#[test]
fn a_line_that_is_no_record_is_named() {
    let victim = Victim::new();
    victim.alter(|lines| lines.insert(1, "{}\n".into()));
    assert_eq!(victim.named(), (None, 2));
}

#[test]
fn a_line_added_at_the_end_is_found() {
    let victim = Victim::new();
    victim.alter_segment(3, |lines| lines.push(lines[1].clone()));
    for verdict in victim.home.verdicts() {
        assert_eq!(verdict.first_bad.expect("found").line, 3);
    }
}

#[test]
fn a_removed_file_is_found() {
    for number in 1..=3 {
        let victim = Victim::new();
        fs::remove_file(files::segment_path(&victim.home.dir(), number)).expect("remove");
        for verdict in victim.home.verdicts() {
            assert!(!verdict.ok, "{number}");
        }
    }
}

#[test]
fn a_cut_tail_is_found_against_the_state() {
    for cut in 1..=2 {
        let victim = Victim::new();
        victim.alter_segment(3, |lines| lines.truncate(2 - cut));
        for verdict in victim.home.verdicts() {
            assert!(verdict.first_bad.expect("found").why.contains(&format!("missing at the end: {cut}")));
        }
    }
}

#[test]
fn a_record_cut_in_half_is_found_against_the_state() {
    let victim = Victim::new();
    victim.alter_segment(3, |lines| lines[1].truncate(100));
    for verdict in victim.home.verdicts() {
        assert_eq!(verdict.first_bad.expect("found").line, 2);
    }
}

#[test]
fn a_folder_rolled_back_whole_is_found_against_the_anchor_alone() {
    let victim = Victim::new();
    let copy = victim.home.folder.path().join("copy");
    copy_folder(&victim.home.dir(), &copy);
    let log = victim.home.open();
    call(&log);
    let anchor = log.anchor();
    drop(log);
    fs::remove_dir_all(victim.home.dir()).expect("remove");
    fs::rename(&copy, victim.home.dir()).expect("rename");
    victim.home.assert_sound();
    let verdict = verify(&victim.home.dir(), None, Some(&anchor)).expect("readable");
    assert!(verdict.first_bad.expect("found").why.contains("the anchor remembers 12"));
    assert!(verdict.anchor_age_ms.is_some());
    assert!(victim.against_anchor().ok);
}

#[test]
fn a_rewritten_log_is_found_against_the_anchor() {
    let victim = Victim::new();
    fs::remove_dir_all(victim.home.dir()).expect("remove");
    AuditLog::create(&victim.home.dir(), &FirstKey::make().expect("random")).expect("create");
    let log = victim.home.open();
    (0..6).for_each(|_| call(&log));
    drop(log);
    let bad = victim.against_anchor().first_bad.expect("found");
    assert_eq!(bad.id, victim.id(9));
    assert!(!verify(&victim.home.dir(), Some(&victim.home.first), None).expect("readable").ok);
}

#[test]
fn a_log_without_state_is_not_sound_and_not_continued() {
    let victim = Victim::new();
    fs::remove_file(victim.home.dir().join("state")).expect("remove");
    for verdict in victim.home.verdicts() {
        assert_eq!((verdict.records, verdict.first_bad.expect("found").file), (10, "state".to_owned()));
    }
    assert!(AuditLog::open(&victim.home.dir(), Options::default()).is_err());
}

#[test]
fn a_damaged_state_is_not_believed() {
    let victim = Victim::new();
    fs::write(victim.home.dir().join("state"), vec![7; 4096]).expect("write");
    assert!(victim.home.verdicts().iter().all(|verdict| !verdict.ok));
    assert!(AuditLog::open(&victim.home.dir(), Options::default()).is_err());
}

#[test]
fn a_copied_or_moved_folder_verifies_and_goes_on() {
    let victim = Victim::new();
    let elsewhere = tempfile::tempdir().expect("temp");
    copy_folder(&victim.home.dir(), &elsewhere.path().join("audit"));
    let copy = Home { folder: elsewhere, first: victim.home.first.clone() };
    assert_eq!(copy.assert_sound(), 10);
    call(&copy.open());
    assert_eq!(copy.assert_sound(), 12);
    assert!(verify(&copy.dir(), Some(&copy.first), Some(&victim.anchor)).expect("readable").ok);
}

#[test]
fn another_first_key_verifies_nothing() {
    let victim = Victim::new();
    let verdict = verify(&victim.home.dir(), FirstKey::make().ok().as_ref(), None).expect("readable");
    assert_eq!((verdict.records, verdict.macs_checked), (0, true));
    assert_eq!(verdict.first_bad.expect("found").id, victim.id(0));
}
