//! Tables with figures in them: templates (`docs/figures/NAME.md`), the values (`docs/figures/values.json`), and the places in the pages
//! between `<!-- figures:begin NAME -->` and `<!-- figures:end -->` where the two come together.

// A test has this file, too: each uses a part of it.
#![allow(dead_code)]

use anyhow::{Context, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a program said of itself: numbers by name.
pub type Figures = BTreeMap<String, f64>;
/// The figures of every run, by what was run: `ames`, `ames@2` (seed 2), `ames/llvmpipe` (that device), `test:ops`.
pub type Values = BTreeMap<String, Figures>;

/// How a figure is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// With so many digits behind the point.
    Digits(usize),
    /// Whole, with commas between thousands.
    Thousands,
}

impl Form {
    /// The figure as text.
    pub fn show(self, value: f64) -> String {
        match self {
            Form::Digits(digits) => format!("{value:.digits$}"),
            Form::Thousands => {
                let digits = format!("{value:.0}");
                let part = |i: usize| if i > 0 && (digits.len() - i).is_multiple_of(3) { "," } else { "" };
                digits.chars().enumerate().map(|(i, digit)| format!("{}{digit}", part(i))).collect()
            }
        }
    }
}

/// One place of a template: `{ames@2.r2:.3}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// What is run.
    pub run: String,
    /// Which of its figures.
    pub figure: String,
    /// How it is shown.
    pub form: Form,
}

impl Place {
    fn parse(text: &str) -> anyhow::Result<Place> {
        let wrong = || format!("found {{{text}}}, expected {{RUN.FIGURE:.DIGITS}} or {{RUN.FIGURE:,}}");
        let (name, form) = text.rsplit_once(':').with_context(wrong)?;
        let (run, figure) = name.rsplit_once('.').with_context(wrong)?;
        let form = match form.strip_prefix('.') {
            Some(digits) => Form::Digits(digits.parse().with_context(wrong)?),
            None if form == "," => Form::Thousands,
            None => bail!(wrong()),
        };
        ensure!(!run.is_empty() && !figure.is_empty(), wrong());
        Ok(Place { run: run.to_owned(), figure: figure.to_owned(), form })
    }
}

/// A template in parts: text, and behind it a place, but for the last.
fn parts(template: &str) -> anyhow::Result<Vec<(&str, Option<Place>)>> {
    let (mut rest, mut found) = (template, vec![]);
    while let Some((text, behind)) = rest.split_once('{') {
        let (place, after) = behind.split_once('}').context("found { without }")?;
        found.push((text, Some(Place::parse(place)?)));
        rest = after;
    }
    found.push((rest, None));
    Ok(found)
}

/// All places of a template.
pub fn places(template: &str) -> anyhow::Result<Vec<Place>> {
    Ok(parts(template)?.into_iter().filter_map(|(_, place)| place).collect())
}

/// The template with the values in their places.
pub fn fill(template: &str, values: &Values) -> anyhow::Result<String> {
    let mut text = String::new();
    for (before, place) in parts(template)? {
        text += before;
        if let Some(Place { run, figure, form }) = place {
            let value = values.get(&run).and_then(|figures| figures.get(&figure));
            text += &form.show(*value.with_context(|| format!("no value of {run}.{figure}"))?);
        }
    }
    Ok(text)
}

const BEGIN: &str = "<!-- figures:begin ";
const END: &str = "<!-- figures:end -->";

/// The names of a page's tables, and the page with their new content. `content` gives it by name.
pub fn rewrite(page: &str, mut content: impl FnMut(&str) -> anyhow::Result<String>) -> anyhow::Result<(Vec<String>, String)> {
    let (mut rest, mut text, mut names) = (page, String::new(), vec![]);
    while let Some((before, behind)) = rest.split_once(BEGIN) {
        let (name, behind) = behind.split_once(" -->\n").with_context(|| format!("{BEGIN}without -->"))?;
        let (_, after) = behind.split_once(END).with_context(|| format!("`{name}` without {END}"))?;
        text += &format!("{before}{BEGIN}{name} -->\n{}\n{END}", content(name)?.trim_end());
        names.push(name.to_owned());
        rest = after;
    }
    text += rest;
    Ok((names, text))
}

/// The pages that may hold tables.
fn pages(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = vec![root.join("README.md")];
    for folder in [root.join("docs"), root.join("docs/path")] {
        if folder.is_dir() {
            let entries = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
            found.extend(entries.into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")));
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The pages of a project with their templates and values.
pub struct Tables {
    root: PathBuf,
    /// Content by name.
    templates: BTreeMap<String, String>,
    pages: Vec<(PathBuf, String)>,
    /// The figures that the pages show.
    pub values: Values,
}

impl Tables {
    /// Reads them; a template without a page, or a page without its template, is an error.
    pub fn read(root: &Path) -> anyhow::Result<Tables> {
        let folder = root.join("docs/figures");
        let values = serde_json::from_str(&read(&folder.join("values.json"))?).context("docs/figures/values.json")?;
        let mut tables = Tables { root: root.to_owned(), templates: BTreeMap::new(), pages: vec![], values };
        for path in pages(root)? {
            let text = read(&path)?;
            let template = |name: &str| read(&folder.join(format!("{name}.md")));
            let mut found = vec![];
            let (names, _) = rewrite(&text, |name| {
                found.push(template(name)?);
                Ok(String::new())
            })
            .with_context(|| path.display().to_string())?;
            if !names.is_empty() {
                tables.pages.push((path, text));
                tables.templates.extend(names.into_iter().zip(found));
            }
        }
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let known = tables.templates.contains_key(&name) || path.extension().is_none_or(|e| e != "md");
            ensure!(known, "{}: no page has a place for it", path.display());
        }
        Ok(tables)
    }

    /// All places, by what is run.
    pub fn places(&self) -> anyhow::Result<BTreeMap<String, Vec<Place>>> {
        let mut found: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        for (name, template) in &self.templates {
            for place in places(template).with_context(|| format!("docs/figures/{name}.md"))? {
                found.entry(place.run.clone()).or_default().push(place);
            }
        }
        Ok(found)
    }

    /// The pages that are not what templates and values make of them, and what they should be.
    pub fn stale(&self) -> anyhow::Result<Vec<(PathBuf, String)>> {
        let mut found = vec![];
        for (path, text) in &self.pages {
            let filled =
                |name: &str| fill(&self.templates[name], &self.values).with_context(|| format!("docs/figures/{name}.md"));
            let (_, new) = rewrite(text, filled)?;
            if new != *text {
                found.push((path.clone(), new));
            }
        }
        Ok(found)
    }

    /// Values that no template shows.
    pub fn unused(&self) -> anyhow::Result<Vec<String>> {
        let places = self.places()?;
        let shown: BTreeSet<&String> = places.keys().collect();
        Ok(self.values.keys().filter(|run| !shown.contains(run)).cloned().collect())
    }

    /// Writes the values, and every page that they change.
    pub fn write(&self) -> anyhow::Result<Vec<PathBuf>> {
        let path = self.root.join("docs/figures/values.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&self.values)?);
        let mut written = vec![];
        for (path, text) in self.stale()?.into_iter().chain([(path, text)]) {
            if !path.exists() || read(&path)? != text {
                steepest::files::write_whole(&path, text.as_bytes())?;
                written.push(path);
            }
        }
        Ok(written)
    }
}
