//! The connection through which every command passes, so that slow ones are told.

use std::borrow::Cow;

use ::redis::aio::{ConnectionLike, ConnectionManager};
use ::redis::{Arg, Cmd, Pipeline, RedisFuture, Value};

use crate::slow::{Call, Server, watched};

/// See the module. Cheap to clone; all clones are of the same.
#[derive(Clone)]
pub struct Connection(pub(super) ConnectionManager);

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        // Whoever looks whether somebody is there waits for no data.
        if command.args_iter().next() == Some(Arg::Simple(b"PING")) {
            return Box::pin(self.0.req_packed_command(command));
        }
        let call = move || call([command]);
        Box::pin(watched(Server::Redis, call, self.0.req_packed_command(command)))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let call = move || call(pipeline.cmd_iter());
        Box::pin(watched(Server::Redis, call, self.0.req_packed_commands(pipeline, offset, count)))
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

/// The names of commands, each with how often it follows itself; and how long their arguments are.
fn call<'a>(commands: impl IntoIterator<Item = &'a Cmd>) -> Call {
    let mut names: Vec<(Cow<'_, str>, usize)> = Vec::new();
    let (mut count, mut bytes, mut longest) = (0, 0, 0);
    for command in commands {
        let mut arguments = command.args_iter().map(|argument| match argument {
            Arg::Simple(bytes) => bytes,
            // A cursor, which the client puts in itself.
            _ => b"",
        });
        let name = String::from_utf8_lossy(arguments.next().unwrap_or_default());
        for argument in arguments {
            (count, bytes, longest) =
                (count + 1, bytes + argument.len(), longest.max(argument.len()));
        }
        match names.last_mut() {
            Some((last, times)) if *last == name => *times += 1,
            Some(_) | None => names.push((name, 1)),
        }
    }
    let named = |(name, times): (Cow<'_, str>, usize)| match times {
        1 => name.into_owned(),
        times => format!("{name} x {times}"),
    };
    Call {
        statement: names.into_iter().map(named).collect::<Vec<_>>().join(", "),
        parameters: format!("{count} of {bytes} B, the longest of {longest} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_by_its_commands_and_the_lengths_of_their_arguments() {
        let mut pipeline = Pipeline::new();
        for body in ["a", "bcd"] {
            pipeline.cmd("EVALSHA").arg("hash").arg(1).arg("feed:v1:secret").arg(body);
        }
        pipeline.cmd("PING");
        let Call { statement, parameters } = call(pipeline.cmd_iter());
        assert_eq!(statement, "EVALSHA x 2, PING");
        assert_eq!(parameters, "8 of 42 B, the longest of 14 B");
    }
}
