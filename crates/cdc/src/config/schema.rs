//! The JSON Schema of `cdc.toml`, made of the same structs that read it.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::layout::{self, SectionLayout};
use super::secret::is_secret_key;

/// Draft 7: what the editors' extensions for TOML know.
pub(super) fn text() -> String {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut generator = SchemaGenerator::new(settings);
    let mut root = table();
    for section in layout::sections() {
        place(&mut root, &section, schema(&section, &mut generator));
    }
    // One pipeline has one source and one sink; either may come from the environment or a flag.
    for choice in ["source", "sink"] {
        if let Some(choice) =
            root.pointer_mut(&format!("/properties/{choice}")).and_then(Value::as_object_mut)
        {
            choice.insert("maxProperties".to_owned(), json!(1));
        }
    }
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        root.insert("title".to_owned(), json!("cdc.toml"));
        root.insert(
            "description".to_owned(),
            json!("One pipeline of cdc: one source, one sink. docs/configuration.md"),
        );
    }
    // Strings, numbers and maps have nothing that JSON can't hold.
    serde_json::to_string_pretty(&root).map(|text| text + "\n").unwrap_or_default()
}

/// One section, as its struct has it.
fn schema(section: &SectionLayout, generator: &mut SchemaGenerator) -> Value {
    let mut schema = Value::from((section.schema)(generator));
    let Some(keys) = schema.as_object_mut() else { return schema };
    keys.remove("title");
    keys.insert("additionalProperties".to_owned(), json!(false));
    keys.insert("type".to_owned(), json!("object"));
    let properties = keys.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        // Not in a file: they come from the environment.
        properties.retain(|key, _| !is_secret_key(key) || key.ends_with("_file"));
        properties.values_mut().for_each(tidy);
    }
    // Every key can come from the environment instead.
    keys.remove("required");
    schema
}

/// TOML has no null: a key without a value is not there.
fn tidy(value: &mut Value) {
    let Some(schema) = value.as_object_mut() else { return };
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice != &json!({ "type": "null" }));
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}

/// Puts a section where it belongs, with the tables on the way to it.
fn place(root: &mut Value, section: &SectionLayout, schema: Value) {
    let mut at = root;
    let (parents, name) = section.path.rsplit_once('.').unwrap_or(("", section.path));
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        let Some(properties) = properties(at) else { return };
        at = properties.entry(parent.to_owned()).or_insert_with(table);
    }
    let schema = if layout::REPEATED.contains(&section.path) {
        json!({ "type": "array", "items": schema })
    } else {
        schema
    };
    if let Some(properties) = properties(at) {
        properties.insert(name.to_owned(), schema);
    }
}

fn properties(table: &mut Value) -> Option<&mut Map<String, Value>> {
    table.get_mut("properties")?.as_object_mut()
}

fn table() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The other way round is for a validator, in the tests of the whole program.
    #[test]
    fn every_section_and_key_is_in_the_schema_but_secrets() {
        let schema: Value = serde_json::from_str(&text()).unwrap();
        for section in layout::sections() {
            let path = section.path.replace('.', "/properties/");
            let inner = if layout::REPEATED.contains(&section.path) { "/items" } else { "" };
            for key in section.keys {
                let found = schema.pointer(&format!("/properties/{path}{inner}/properties/{key}"));
                let is_secret = is_secret_key(key) && !key.ends_with("_file");
                assert_eq!(found.is_none(), is_secret, "{}.{key}", section.path);
                // TOML has no null.
                assert!(is_secret || !found.unwrap()["type"].is_array(), "{found:?}");
            }
        }
    }
}
