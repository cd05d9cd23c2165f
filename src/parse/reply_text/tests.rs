//! What is left of texts of many mail programs and languages, and that what people write stays.

use super::*;

/// What is left of `text`.
fn left(text: &str) -> &str {
    &text[find(text, Some("Re: x"))]
}

fn check(text: &str, expected: &str) {
    assert_eq!(left(text), expected, "{text:?}");
}

#[test]
fn a_text_without_history_stays_whole() {
    for text in [
        "",
        "\n\n",
        "hello\n",
        "On Monday we met. He wrote:\nplease come\n",
        "He wrote: hello\nI wrote: no\n",
        "From: Berlin\nTo: Paris\nDate: 3 March\nSubjects: many\n",
        "Is 3 > 2?\n-1 is less\n--verbose is the option\n",
        "Sent from my house yesterday came a parcel that I have never ordered and do not want.\n",
        "a\n-----\nb\n",
        "Hello,\n\nOutlook for Mac crashes.\n",
        "Hallo,\n\nvon meinem Handy aus geht es nicht.\n",
        "See what is attached. Ann wrote:\n",
        "On 3 March 2026 at 10:00 the job overwrites a@example.com:\nand then?\n",
        "Am 3.3.2026 um 10:00 beschrieb ich a@example.com:\nund dann?\n",
    ] {
        check(text, text);
    }
}

#[test]
fn where_nothing_would_be_left_everything_stays() {
    for text in [
        "> quoted\n> more\n",
        "On 3 Mar 2026, at 10:00, Ann <a@example.com> wrote:\n> hello\n",
        "-- \nAnn\nExample Ltd\n",
        "Sent from my iPhone\n",
        "-----Original Message-----\nFrom: a\nSent: b\nTo: c\nSubject: d\n\nhello\n",
        "On 3 Mar 2026, at 10:00, Ann <a@example.com> wrote:\n\nhello, unmarked\n",
    ] {
        check(text, text);
    }
}

#[test]
fn history_below_the_answer_is_cut() {
    for history in [
        "On Tue, 3 Mar 2026 at 10:00, Ann <a@example.com> wrote:\n\n> hello\n> there\n",
        "On Tue, 3 Mar 2026 at 10:00, Ann Example\n<a@example.com> wrote:\n> hello\n",
        "On Tue, 3 Mar 2026 at 10:00, Ann <a@example.com> wrote:\n\nhello, unmarked\n",
        "Ann wrote:\n> hello\n",
        "-----Original Message-----\nFrom: Ann\n\nhello\n",
        "________________________________\nFrom: Ann\nSent: Tuesday\nTo: Bob\nSubject: x\n\nhello\n",
        "*From:* Ann <a@example.com>\n*Date:* Tuesday\n*To:* Bob\n\nhello\n",
        "> hello\n>\n> there\n\n\n",
    ] {
        check(&format!("Yes.\nThanks\n\n{history}"), "Yes.\nThanks");
        check(&format!("Yes.\n\n-- \nBob\nExample Ltd\n\n{history}"), "Yes.");
        check(&format!("Yes.\n\nSent from my iPhone\n\n{history}"), "Yes.");
    }
}

#[test]
fn answers_below_and_between_quotes_stay() {
    let wrote = "On Tue, 3 Mar 2026 at 10:00, Ann <a@example.com> wrote:\n";
    check(&format!("{wrote}> hello\n\nYes.\n\n-- \nBob\n"), "Yes.");
    check(&format!("{wrote}> one?\nYes.\n> two?\nNo.\n> rest\n"), &format!("{wrote}> one?\nYes.\n> two?\nNo."));
    check(&format!("Hi!\n{wrote}> one?\nYes.\n"), &format!("Hi!\n{wrote}> one?\nYes.\n"));
}

#[test]
fn signatures_end_at_their_length() {
    check("Yes.\n-- \nBob\n", "Yes.");
    check("Yes.\n--\nBob\n", "Yes.");
    let long = format!("Yes.\n-- \n{}", "line\n".repeat(SIGNATURE_MAX + 1));
    check(&long, &long);
    let long = format!("Yes.\n--\n{}", "line\n".repeat(SIGNATURE_MAX_UNSURE + 1));
    check(&long, &long);
}

#[test]
fn telephones_and_mail_programs_sign_in_their_languages() {
    for sent in [
        "Sent from my iPhone",
        "Sent from my Samsung Galaxy smartphone.",
        "Get Outlook for Android<https://example.com/o>",
        "Von meinem iPhone gesendet",
        "Gesendet von Mail für Windows",
        "Diese Nachricht wurde von meinem Android-Gerät mit GMX Mail gesendet.",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Wysłane z iPhone'a",
        "Отправлено с iPhone",
        "iPhoneから送信",
        "发自我的 iPhone",
        "从我的 iPhone 发送",
        "Đã gửi từ iPhone của tôi",
    ] {
        check(&format!("Yes.\n\n{sent}\n"), "Yes.");
    }
}

#[test]
fn forwarded_mail_stays() {
    for mark in [
        "---------- Forwarded message ---------",
        "Begin forwarded message:",
        "-------- Weitergeleitete Nachricht --------",
    ] {
        let text = format!("Look.\n\n-- \nBob\n\n{mark}\nFrom: Ann <a@example.com>\nDate: x\nSubject: y\n\n> hello\n");
        check(&text, &text);
    }
    let text = "Look.\n\n-----Original Message-----\nFrom: Ann\n\nhello\n";
    assert_eq!(&text[find(text, Some("FW: x"))], text);
    assert_eq!(&text[find(text, Some("WG: x"))], text);
    assert_eq!(&text[find(text, Some("Re: FW: x"))], "Look.");
}

#[test]
fn attributions_of_many_programs_and_languages() {
    for wrote in [
        "Am 03.03.26 um 10:00 schrieb Ann Example:",
        "Am Di., 3. März 2026 um 10:00 Uhr schrieb Ann <a@example.com>:",
        "Le mar. 3 mars 2026 à 10:00, Ann <a@example.com> a écrit\u{a0}:",
        "El mar, 3 mar 2026 a las 10:00, Ann (<a@example.com>) escribió:",
        "Em ter., 3 de mar. de 2026 às 10:00, Ann <a@example.com>\nescreveu:",
        "Il giorno mar 3 mar 2026 alle ore 10:00 Ann <a@example.com> ha scritto:",
        "Op di 3 mrt 2026 om 10:00 schreef Ann <a@example.com>:",
        "wt., 3 mar 2026 o 10:00 Ann <a@example.com> napisał(a):",
        "W dniu 3.03.2026 o 10:00, Ann pisze:",
        "вт, 3 мар. 2026 г. в 10:00, Анна <a@example.com>:",
        "03.03.2026 10:00, Анна пишет:",
        "2026年3月3日(火) 10:00 山田花子 <a@example.com>:",
        "2026/03/03 10:00、山田花子 <a@example.com>のメール:",
        "在 2026年3月3日，10:00，小安 <a@example.com> 写道：",
        "小安 <a@example.com> 于2026年3月3日周二 10:00写道：",
        "Vào Th 3, 3 thg 3, 2026 vào lúc 10:00 An <a@example.com> đã viết:",
    ] {
        check(&format!("Yes.\n\n{wrote}\n\n> hello\n"), "Yes.");
        check(&format!("Yes.\n\n{wrote}\nhello, unmarked\n"), "Yes.");
    }
}

#[test]
fn hostile_texts_take_little_time() {
    for line in
        ["From: a\n", "On 1 wrote:\n", "> \n", "-- \n", "a:\n\n", "-----\n", ":", "On ", "\n \n", "a wrote:\n\n\n>\n"]
    {
        let text = line.repeat(20_000);
        assert!(find(&text, None).end <= text.len());
    }
    // Each quoted line asks whether what stands above is a signature, and each mark is looked up in every language.
    let long = format!("x\ny{}\n", " ".repeat(500_000));
    for text in [long + &">\n".repeat(200_000), format!("--{}-\n", "x".repeat(400)).repeat(50_000)] {
        assert!(find(&text, None).end <= text.len());
    }
}
