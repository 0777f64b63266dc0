//! Reading a template: text and actions, actions into words, words into pipelines and blocks.

/// How deep blocks and parentheses may nest.
const DEPTH_LIMIT: usize = 50;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Show(Pipeline),
    If {
        condition: Pipeline,
        then: Vec<Self>,
        otherwise: Vec<Self>,
    },
    With {
        value: Pipeline,
        then: Vec<Self>,
        otherwise: Vec<Self>,
    },
    Range {
        key: Option<String>,
        item: Option<String>,
        over: Pipeline,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
}

/// Commands that hand their results on to the next one.
pub(super) type Pipeline = Vec<Vec<Operand>>;

/// One word of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// `.A.B`; empty is the document at hand.
    Field(Vec<String>),
    /// `$x.A`; the empty name is the whole document.
    Variable(String, Vec<String>),
    Text(String),
    Number(serde_json::Number),
    Bool(bool),
    Nil,
    Function(String),
    Group(Pipeline, Vec<String>),
}

/// The functions there are.
pub(super) const FUNCTIONS: [&str; 16] = [
    "json", "join", "split", "upper", "lower", "title", "len", "index", "eq", "ne", "and", "or",
    "not", "println", "print", "truncate",
];

/// Reads a whole template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let pieces = pieces(text)?;
    let mut reader = Reader { pieces: &pieces, depth: 0 };
    let (nodes, end) = reader.nodes()?;
    match end {
        Stop::EndOfText => Ok(nodes),
        Stop::Else(_) => Err("unexpected {{else}}".to_owned()),
        Stop::End => Err("unexpected {{end}}".to_owned()),
    }
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Action(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Operand(Operand),
    /// A word that is no function: `if`, `end`, and what is wrong.
    Word(String),
    Open,
    /// A closing parenthesis and the fields behind it.
    Close(Vec<String>),
    Bar,
    Comma,
    Assign,
}

/// Splits text from actions and trims where an action says so.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim = false;
    while let Some((before, after)) = rest.split_once("{{") {
        let before = if trim { before.trim_start() } else { before };
        let (trim_left, after) = match after.strip_prefix("- ") {
            Some(after) => (true, after),
            None => (false, after),
        };
        let end = action_end(after)?;
        let (action, following) = (&after[..end], &after[end + 2..]);
        let (action, trim_right) = match action.strip_suffix(" -") {
            Some(action) => (action, true),
            None => (action, false),
        };
        let before = if trim_left { before.trim_end() } else { before };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        if !action.trim().starts_with("/*") {
            pieces.push(Piece::Action(tokens(action)?));
        }
        (rest, trim) = (following, trim_right);
    }
    let rest = if trim { rest.trim_start() } else { rest };
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// Where the action ends; braces within quotes are text.
fn action_end(text: &str) -> Result<usize, String> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            None if text[at..].starts_with("}}") => return Ok(at),
            None if c == '"' || c == '`' => quote = Some(c),
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            _ => {}
        }
    }
    let reason = if quote.is_some() { "unterminated quoted string" } else { "unclosed action" };
    Err(reason.to_owned())
}

fn tokens(action: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '(' => (Token::Open, &rest[1..]),
            ')' => {
                let (fields, after) = fields(&rest[1..]);
                (Token::Close(fields), after)
            }
            '|' => (Token::Bar, &rest[1..]),
            ',' => (Token::Comma, &rest[1..]),
            ':' if rest.starts_with(":=") => (Token::Assign, &rest[2..]),
            '"' => quoted(rest)?,
            '`' => {
                let end = rest[1..].find('`').ok_or("unterminated raw quoted string")?;
                (Token::Operand(Operand::Text(rest[1..=end].to_owned())), &rest[end + 2..])
            }
            '.' => {
                let (fields, after) = fields(rest);
                let after = if fields.is_empty() { &rest[1..] } else { after };
                (Token::Operand(Operand::Field(fields)), after)
            }
            '$' => {
                let (name, after) = name(&rest[1..]);
                let (fields, after) = fields(after);
                (Token::Operand(Operand::Variable(name.to_owned(), fields)), after)
            }
            _ => word(rest)?,
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// A string in double quotes, whose escapes are JSON's.
fn quoted(text: &str) -> Result<(Token, &str), String> {
    let mut end = None;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                end = Some(at + 1);
                break;
            }
            _ => {}
        }
    }
    let end = end.ok_or("unterminated quoted string")?;
    let value = serde_json::from_str(&text[..end])
        .map_err(|_| format!("bad string syntax: {}", &text[..end]))?;
    Ok((Token::Operand(Operand::Text(value)), &text[end..]))
}

fn word(text: &str) -> Result<(Token, &str), String> {
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|' | ','))
        .unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    let token = match word {
        "true" => Token::Operand(Operand::Bool(true)),
        "false" => Token::Operand(Operand::Bool(false)),
        "nil" => Token::Operand(Operand::Nil),
        "if" | "else" | "end" | "range" | "with" => Token::Word(word.to_owned()),
        _ if FUNCTIONS.contains(&word) => Token::Operand(Operand::Function(word.to_owned())),
        _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            let number = word.parse().map_err(|_| format!("bad number syntax: {word:?}"))?;
            Token::Operand(Operand::Number(number))
        }
        _ => return Err(format!("function {word:?} not defined")),
    };
    Ok((token, after))
}

/// `.A.B` and what follows; a dot alone is none.
fn fields(text: &str) -> (Vec<String>, &str) {
    let (mut fields, mut rest) = (Vec::new(), text);
    while let Some(after) = rest.strip_prefix('.') {
        let (field, after) = name(after);
        if field.is_empty() {
            break;
        }
        fields.push(field.to_owned());
        rest = after;
    }
    (fields, rest)
}

fn name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// What ended a list of nodes.
enum Stop {
    EndOfText,
    /// The words behind `else`.
    Else(Vec<Token>),
    End,
}

struct Reader<'a> {
    pieces: &'a [Piece],
    depth: usize,
}

impl Reader<'_> {
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop), String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(format!("blocks nest deeper than {DEPTH_LIMIT}"));
        }
        let mut nodes = Vec::new();
        while let Some((piece, rest)) = self.pieces.split_first() {
            self.pieces = rest;
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(text.clone())),
                Piece::Action(tokens) => match tokens.split_first() {
                    Some((Token::Word(word), rest)) if word == "end" && rest.is_empty() => {
                        self.depth -= 1;
                        return Ok((nodes, Stop::End));
                    }
                    Some((Token::Word(word), rest)) if word == "else" => {
                        self.depth -= 1;
                        return Ok((nodes, Stop::Else(rest.to_vec())));
                    }
                    Some((Token::Word(word), rest)) => nodes.push(self.block(word, rest)?),
                    _ => nodes.push(Node::Show(pipeline(tokens)?)),
                },
            }
        }
        self.depth -= 1;
        Ok((nodes, Stop::EndOfText))
    }

    fn block(&mut self, word: &str, head: &[Token]) -> Result<Node, String> {
        let (names, head) = if word == "range" { variables(head) } else { ([None, None], head) };
        let value = pipeline(head)?;
        let (then, end) = self.nodes()?;
        let otherwise = match end {
            Stop::End => Vec::new(),
            Stop::EndOfText => return Err("unexpected EOF: {{end}} is missing".to_owned()),
            Stop::Else(tokens) => match tokens.split_first() {
                None => match self.nodes()? {
                    (nodes, Stop::End) => nodes,
                    (_, Stop::Else(_)) => return Err("unexpected {{else}}".to_owned()),
                    (_, Stop::EndOfText) => {
                        return Err("unexpected EOF: {{end}} is missing".to_owned());
                    }
                },
                Some((Token::Word(next), rest)) if next == word && word != "range" => {
                    vec![self.block(next, rest)?]
                }
                Some(_) => return Err("unexpected words after {{else".to_owned()),
            },
        };
        match word {
            "if" => Ok(Node::If { condition: value, then, otherwise }),
            "with" => Ok(Node::With { value, then, otherwise }),
            "range" => {
                let [key, item] = names;
                Ok(Node::Range { key, item, over: value, body: then, otherwise })
            }
            _ => Err(format!("unexpected {{{{{word}}}}}")),
        }
    }
}

/// The variables before `:=`: none, the item's, or the key's and the item's.
fn variables(head: &[Token]) -> ([Option<String>; 2], &[Token]) {
    let simple = |token: &Token| match token {
        Token::Operand(Operand::Variable(name, fields)) if fields.is_empty() => Some(name.clone()),
        _ => None,
    };
    match head {
        [item, Token::Assign, rest @ ..] => ([None, simple(item)], rest),
        [key, Token::Comma, item, Token::Assign, rest @ ..] => ([simple(key), simple(item)], rest),
        _ => ([None, None], head),
    }
}

fn pipeline(tokens: &[Token]) -> Result<Pipeline, String> {
    let mut rest = tokens;
    let pipeline = commands(&mut rest, 0)?;
    if rest.is_empty() { Ok(pipeline) } else { Err("unexpected right paren".to_owned()) }
}

/// Reads up to the end or a closing parenthesis, which is left.
fn commands(rest: &mut &[Token], depth: usize) -> Result<Pipeline, String> {
    if depth > DEPTH_LIMIT {
        return Err(format!("parentheses nest deeper than {DEPTH_LIMIT}"));
    }
    let mut pipeline = vec![Vec::new()];
    while let Some((token, after)) = rest.split_first() {
        let operand = match token {
            Token::Close(_) => break,
            Token::Bar => {
                pipeline.push(Vec::new());
                *rest = after;
                continue;
            }
            Token::Open => {
                *rest = after;
                let inner = commands(rest, depth + 1)?;
                let Some((Token::Close(fields), _)) = rest.split_first() else {
                    return Err("unclosed left paren".to_owned());
                };
                Operand::Group(inner, fields.clone())
            }
            Token::Operand(operand) => operand.clone(),
            Token::Word(word) => return Err(format!("unexpected <{word}> in command")),
            Token::Comma | Token::Assign => {
                return Err("unexpected \",\" or \":=\" in command".to_owned());
            }
        };
        *rest = &rest[1..];
        if let Some(command) = pipeline.last_mut() {
            command.push(operand);
        }
    }
    if pipeline.iter().any(Vec::is_empty) {
        return Err("missing value for command".to_owned());
    }
    Ok(pipeline)
}
