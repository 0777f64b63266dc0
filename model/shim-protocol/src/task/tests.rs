//! Messages there and back, and calls inside their frames.

use super::*;
use crate::event::{Envelope, Event, ForwardRequest, TaskExit};
use crate::frame::{FrameBuffer, FrameKind};
use crate::rpc::{Code, Request, Response, Status};
use crate::wire::Message;
use std::fmt::Debug;

fn check<M: Message + PartialEq + Debug>(message: &M) {
    assert_eq!(&M::decode(&message.encode()).unwrap(), message);
}

#[test]
fn messages_come_back_as_they_went() {
    let time = Some(Timestamp { seconds: 1_700_000_000, nanos: 999_999_999 });
    check(&CreateTaskRequest {
        id: "c".to_owned(),
        bundle: "/b".to_owned(),
        rootfs: vec![Mount { kind: "overlay".to_owned(), ..Default::default() }, Mount::default()],
        terminal: true,
        stdin: "gantry://stdin".to_owned(),
        options: Some(Any::default()),
        ..Default::default()
    });
    check(&StateResponse {
        pid: 7,
        status: TaskStatus::Paused,
        exited_at: time,
        ..Default::default()
    });
    check(&PidsResponse { processes: vec![ProcessInfo { pid: 1, info: None }] });
    check(&KillRequest { signal: 9, all: true, ..Default::default() });
    let exit = TaskExit { pid: 1, exit_status: 137, exited_at: time, ..Default::default() };
    check(&ForwardRequest {
        envelope: Some(Envelope {
            timestamp: time,
            namespace: "default".to_owned(),
            topic: TaskExit::TOPIC.to_owned(),
            event: Some(exit.to_any()),
        }),
    });
}

#[test]
fn names_of_events_are_containerds() {
    assert_eq!(TaskExit::TYPE_URL, "containerd.events.TaskExit");
    assert_eq!(crate::event::TaskExecStarted::TOPIC, "/tasks/exec-started");
    assert_eq!(crate::event::TaskOom::TYPE_URL, "containerd.events.TaskOOM");
}

#[test]
fn an_unknown_status_is_not_an_error() {
    assert_eq!(
        StateResponse::decode(b"\x20\x63").map(|state| state.status),
        Ok(TaskStatus::Unknown)
    );
}

#[test]
fn a_call_and_its_failure_travel_in_frames() {
    let call = Request {
        service: crate::TASK_SERVICE_V2.to_owned(),
        method: "Wait".to_owned(),
        payload: WaitRequest { id: "c".to_owned(), ..Default::default() }.encode(),
        ..Default::default()
    };
    let mut bytes = Vec::new();
    call.put(3, &mut bytes).unwrap();
    let text = "exec: \"x\": executable file not found in $PATH";
    Response::failure(Status::new(Code::NotFound, text)).put(3, &mut bytes);

    let mut buffer = FrameBuffer::default();
    buffer.extend(&bytes);
    let frame = buffer.next_frame().unwrap().unwrap();
    assert_eq!((frame.kind, frame.stream_id), (FrameKind::Request, 3));
    assert_eq!(Request::decode(frame.payload), Ok(call));
    let frame = buffer.next_frame().unwrap().unwrap();
    let status = Response::decode(frame.payload).unwrap().into_result().unwrap_err();
    assert_eq!((Code::from_number(status.code), status.message.as_str()), (Code::NotFound, text));
}

#[test]
fn an_answer_that_is_too_large_says_so() {
    let response = Response { status: None, payload: vec![0; crate::frame::MAX_PAYLOAD_BYTES] };
    let mut bytes = Vec::new();
    response.put(1, &mut bytes);
    let mut buffer = FrameBuffer::default();
    buffer.extend(&bytes);
    let frame = buffer.next_frame().unwrap().unwrap();
    let status = Response::decode(frame.payload).unwrap().into_result().unwrap_err();
    assert_eq!(Code::from_number(status.code), Code::OutOfRange);
}
