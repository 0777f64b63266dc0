//! ttrpc: frames out of pieces, calls and answers out of frames, and every message of the task API out of calls.

use gantry_shim_protocol::frame::{FrameBuffer, FrameKind, HEADER_BYTES, MAX_PAYLOAD_BYTES};
use gantry_shim_protocol::rpc::{Any, Request, Response};
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{event, info, metrics, task};

/// The first byte tells into how large pieces the rest is cut on its way.
pub fn run(data: &[u8]) {
    let Some((size, rest)) = data.split_first() else { return };
    for decode in MESSAGES {
        decode(rest);
    }
    let mut buffer = FrameBuffer::default();
    let mut taken = 0;
    for piece in rest.chunks(usize::from(*size).max(1)) {
        buffer.extend(piece);
        loop {
            match buffer.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.payload.len() <= MAX_PAYLOAD_BYTES);
                    taken += HEADER_BYTES + frame.payload.len();
                    payload(frame.kind, frame.payload);
                }
                Ok(None) => break,
                // The connection ends here.
                Err(_) => return,
            }
        }
    }
    assert!(taken <= rest.len());
    assert_eq!(buffer.is_empty(), taken == rest.len());
}

fn payload(kind: FrameKind, bytes: &[u8]) {
    let inner = match kind {
        FrameKind::Request => check::<Request>(bytes).map(|request| request.payload),
        FrameKind::Response => check::<Response>(bytes).and_then(|it| it.into_result().ok()),
        FrameKind::Data => None,
    };
    if let Some(inner) = inner {
        for decode in MESSAGES {
            decode(&inner);
        }
    }
}

/// What can be read can be written, and reads the same again.
fn check<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    assert_eq!(M::decode(&message.encode()).as_ref(), Ok(&message));
    Some(message)
}

fn only_check<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    drop(check::<M>(bytes));
}

const MESSAGES: &[fn(&[u8])] = &[
    only_check::<Any>,
    only_check::<Request>,
    only_check::<Response>,
    only_check::<task::RuncOptions>,
    only_check::<task::CreateTaskRequest>,
    only_check::<task::CreateTaskResponse>,
    only_check::<task::StartRequest>,
    only_check::<task::DeleteRequest>,
    only_check::<task::DeleteResponse>,
    only_check::<task::ExecProcessRequest>,
    only_check::<task::ResizePtyRequest>,
    only_check::<task::StateRequest>,
    only_check::<task::StateResponse>,
    only_check::<task::KillRequest>,
    only_check::<task::CloseIoRequest>,
    only_check::<task::PidsRequest>,
    only_check::<task::PidsResponse>,
    only_check::<task::CheckpointTaskRequest>,
    only_check::<task::UpdateTaskRequest>,
    only_check::<task::WaitRequest>,
    only_check::<task::WaitResponse>,
    only_check::<task::StatsRequest>,
    only_check::<task::StatsResponse>,
    only_check::<task::ConnectRequest>,
    only_check::<task::ConnectResponse>,
    only_check::<task::ShutdownRequest>,
    only_check::<task::PauseRequest>,
    only_check::<task::ResumeRequest>,
    only_check::<event::ForwardRequest>,
    only_check::<event::TaskCreate>,
    only_check::<event::TaskExit>,
    only_check::<info::RuntimeInfo>,
    only_check::<metrics::v1::Metrics>,
    only_check::<metrics::v2::Metrics>,
];
