use super::Datum;

/// Floats by their value: the server's shortest text is not always the shortest that there is.
pub(super) fn canonical(type_name: &str, datum: Datum) -> Datum {
    let Datum::Text(text) = &datum else { return datum };
    match type_name {
        "real" | "double precision" => Datum::Text(number(text)),
        "real[]" | "double precision[]" => {
            let elements = text.split_inclusive(['{', '}', ',']).map(|element| {
                let end = element.len() - usize::from(element.ends_with(['{', '}', ',']));
                let (element, end) = element.split_at(end);
                if matches!(element, "" | "NULL") { format!("{element}{end}") } else { number(element) + end }
            });
            Datum::Text(elements.collect())
        }
        _ => datum,
    }
}

/// All digits, and -0 other than 0.
pub(crate) fn float_text(value: f64) -> String {
    format!("{value:?}")
}

fn number(text: &str) -> String {
    float_text(text.parse().unwrap_or_else(|_| panic!("{text} is no number")))
}
