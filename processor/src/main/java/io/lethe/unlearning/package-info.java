/**
 * Fisher computation, unlearning methods, training, evaluation, gates, and the pipeline of a job.
 *
 * <p>Pure DJL: never imports Kafka. Sample ids never reach a message or a log; positions stay
 * inside the job, and only counts and aggregates come out of it.
 *
 * <p>Threads: every object here belongs to one thread at a time, and different models may be worked
 * on by different threads at once: recording gradients is a switch of the thread ({@link
 * io.lethe.model.GradientMode}). All of them share PyTorch's pool of native threads.
 */
package io.lethe.unlearning;
